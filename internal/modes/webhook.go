package modes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// notice is what the webhook is told. Its JSON names are a format that others rely on.
type notice struct {
	Event   string    `json:"event"` // start, done, partial, refused, notfound, accessdenied, interrupted, failed
	Mode    string    `json:"mode"`
	Code    *int      `json:"code,omitempty"` // the exit code, at the end
	Domino  string    `json:"domino,omitempty"`
	Window  string    `json:"window,omitempty"`
	Message string    `json:"message"` // one sentence, and the next command
	At      time.Time `json:"at"`
}

// slack escapes what Slack takes for its own marks (api.slack.com/reference/surfaces/formatting: &, < and > only).
var slack = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// body is the notice as the webhook wants it.
func (n notice) body(format string) ([]byte, error) {
	if format == "json" {
		return json.Marshal(n)
	}
	text := fmt.Sprintf("dmm %s, %s: %s", n.Mode, n.Event, n.Message)
	if n.Domino != "" {
		text += " (" + n.Domino + ")"
	}
	return json.Marshal(map[string]string{"text": slack.Replace(text)})
}

// webhookTries is how often a notice is sent: it is news, and goes stale.
const webhookTries = 2

// notify tells the webhook, if there is one. It takes a few seconds at most, and its failure is a
// warning without the URL, which is a secret.
func (e *Env) notify(ctx context.Context, n notice) {
	if e.Config.WebhookURL.IsZero() {
		return
	}
	n.At = time.Now().UTC()
	body, err := n.body(e.Config.WebhookFormat)
	if err == nil {
		err = e.post(ctx, body)
	}
	if err != nil {
		e.Log.Warn("the webhook was not told", "event", n.Event, "error", err)
	}
}

func (e *Env) post(ctx context.Context, body []byte) error {
	client, closeIdle, err := e.outward()
	if err != nil {
		return err
	}
	defer closeIdle()
	for try := 1; ; try++ {
		again, err := post(ctx, client, e.Config.WebhookURL.Reveal(), body)
		if err == nil || !again || try == webhookTries {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// post sends a notice once. again: it may pass.
func post(ctx context.Context, client *http.Client, target string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("DMM_WEBHOOK_URL is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error // its text has the URL in it
		if errors.As(err, &u) {
			err = u.Err
		}
		return true, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // for the connection's sake
	_ = resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500, fmt.Errorf("it answered %s", resp.Status)
	}
	return false, nil
}
