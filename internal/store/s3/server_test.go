package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

// realServer tells where to find the server that scripts/test-servers starts.
func realServer(t *testing.T) (endpoint, bucket string) {
	t.Helper()
	endpoint, bucket = os.Getenv("DMM_TEST_S3_ENDPOINT"), os.Getenv("DMM_TEST_S3_BUCKET")
	if endpoint == "" || bucket == "" {
		t.Skip("needs an S3 server: run make test-servers, or set DMM_TEST_S3_ENDPOINT, DMM_TEST_S3_BUCKET and AWS_* credentials")
	}
	return endpoint, bucket
}

func TestConformance(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := Open(t.Context(), Options{Bucket: name, Prefix: run + "/" + t.Name() + "/", Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { clear(t, s) })
		return s
	})
}

// clear deletes what a test left behind: the bucket may be one that is kept.
func clear(t *testing.T, s store.Store) {
	ctx := context.Background() // the test's own has ended
	for info, err := range s.List(ctx, "") {
		if err == nil {
			err = s.Delete(ctx, info.Key)
		}
		if err != nil {
			t.Errorf("clear %q: %v", info.Key, err)
		}
	}
}

func TestServerMissingBucket(t *testing.T) {
	endpoint, _ := realServer(t)
	s, err := Open(t.Context(), Options{Bucket: "dmm-no-such-bucket", Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range everyCall(t, s) {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDenied) {
			t.Errorf("%s = %v, want an error that names the bucket", op, err)
		}
	}
}

func TestServerWrongKey(t *testing.T) {
	endpoint, name := realServer(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	s, err := Open(t.Context(), Options{Bucket: name, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range everyCall(t, s) {
		if !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s = %v, want ErrDenied", op, err)
		}
	}
}

// everyCall gives the error of each method, by its name.
func everyCall(t *testing.T, s store.Store) map[string]error {
	t.Helper()
	var list error
	for _, err := range s.List(t.Context(), "k") {
		list = err
	}
	r, _, get := s.Get(t.Context(), "k")
	if get == nil {
		_, get = io.Copy(io.Discard, r)
		get = errors.Join(get, r.Close())
	}
	_, stat := s.Stat(t.Context(), "k")
	return map[string]error{
		"list": list, "get": get, "stat": stat,
		"put":    s.Put(t.Context(), "k", []byte("x"), store.PutOptions{}),
		"create": s.Put(t.Context(), "k", []byte("x"), store.PutOptions{IfAbsent: true}),
		"delete": s.Delete(t.Context(), "k"),
	}
}
