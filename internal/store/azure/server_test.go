package azure

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

func realServer(t *testing.T) storetest.Server {
	t.Helper()
	s := storetest.RealServer(t, "DMM_TEST_AZURE_ENDPOINT", "DMM_TEST_AZURE_CONTAINER")
	s.Open = func(_ context.Context, at storetest.At) (store.Store, error) {
		return open(Options{Container: at.Bucket, Prefix: at.Prefix, Endpoint: at.Endpoint, RootCAs: at.RootCAs}, at.Patience)
	}
	return s
}

func TestConformance(t *testing.T) { realServer(t).Conformance(t) }

func xmlAnswer(status int, code string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/xml", "X-Ms-Error-Code": code},
		Body: "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>as the test\nwants it</Message></Error>",
	}
}

func TestToldApart(t *testing.T) {
	s := realServer(t)
	s.Break = func(t *testing.T) {
		t.Setenv(keyVariable, base64.StdEncoding.EncodeToString([]byte("another account's key")))
	}
	s.Denied, s.Throttled = xmlAnswer(403, "AuthorizationPermissionMismatch"), xmlAnswer(503, "ServerBusy")
	s.More = []storetest.Told{
		{Name: "Firewall", Answer: xmlAnswer(403, "AuthorizationFailure"), Want: store.ErrDenied, Text: "AuthorizationFailure"},
		{Name: "NoKeysAllowed", Answer: xmlAnswer(403, "KeyBasedAuthenticationNotPermitted"), Want: store.ErrDenied, Text: "KeyBasedAuthenticationNotPermitted"},
		{Name: "Immutable", Answer: xmlAnswer(409, "BlobImmutableDueToPolicy"), Text: "an immutability policy"},
		{Name: "BeingDeleted", Answer: xmlAnswer(409, "ContainerBeingDeleted"), Text: "does not exist"},
		{Name: "SomeOther404", Answer: xmlAnswer(404, "ResourceNotFound"), Text: "ResourceNotFound"},
	}
	storetest.Remote(t, s)
}
