package dominosim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client calls a Sim in memory as its administrator.
type client struct {
	t   *testing.T
	sim *Sim
	key string
}

func newClient(t *testing.T, c Config) *client {
	t.Helper()
	return &client{t, New(c), DefaultAPIKey}
}

type reply struct {
	status int
	kind   string // content type
	body   []byte
}

func (c *client) try(ctx context.Context, method, path string, body any) (reply, error) {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, "https://domino.example.com"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.key != "" {
		r.Header.Set("X-Domino-Api-Key", c.key)
	}
	res, err := c.sim.RoundTripper().RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header.Get("Content-Type"), data}, nil
}

func (c *client) do(method, path string, body any) reply {
	c.t.Helper()
	r, err := c.try(c.t.Context(), method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// get reads JSON into a value of the caller's type, and fails on anything but 200.
func get[T any](c *client, path string) T {
	c.t.Helper()
	return decode[T](c, c.do("GET", path, nil))
}

func post[T any](c *client, path string, body any) T {
	c.t.Helper()
	return decode[T](c, c.do("POST", path, body))
}

func decode[T any](c *client, r reply) T {
	c.t.Helper()
	var v T
	if r.status != http.StatusOK {
		c.t.Fatalf("status = %d, want 200: %s", r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		c.t.Fatalf("decode: %v: %s", err, r.body)
	}
	return v
}

func (c *client) wantStatus(method, path string, body any, want int) reply {
	c.t.Helper()
	r := c.do(method, path, body)
	if r.status != want {
		c.t.Fatalf("%s %s: status = %d, want %d: %s", method, path, r.status, want, r.body)
	}
	return r
}

// first is the id of some execution of a kind that runs and is not one of the awkward ones.
func (c *client) running(kind string) Object {
	c.t.Helper()
	up := c.sim.Ledger().Running(kind)
	for _, o := range c.sim.Objects(kind) {
		if _, ok := up[o.ID]; ok && !o.Archived {
			return o
		}
	}
	c.t.Fatalf("no running %s", kind)
	return Object{}
}

// sessionWord is the status of a workspace's latest session now.
func (s *Sim) sessionWord(w *workspace) string {
	var word string
	s.locked(func(now time.Time) {
		if e := w.latest(now); e != nil {
			word = e.is(now)
		}
	})
	return word
}
