package azure

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

// realServer tells where to find the server that scripts/test-servers starts.
func realServer(t *testing.T) (endpoint, container string) {
	t.Helper()
	endpoint, container = os.Getenv("DMM_TEST_AZURE_ENDPOINT"), os.Getenv("DMM_TEST_AZURE_CONTAINER")
	if endpoint == "" || container == "" {
		t.Skip("needs an Azure Blob server: run make test-servers, or set DMM_TEST_AZURE_ENDPOINT, DMM_TEST_AZURE_CONTAINER and AZURE_STORAGE_* credentials")
	}
	return endpoint, container
}

func at(t *testing.T, run string, where storetest.At) store.Store {
	t.Helper()
	s, err := open(Options{Container: where.Bucket, Prefix: run + "/" + t.Name(), Endpoint: where.Endpoint, RootCAs: where.RootCAs}, where.Patience)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := Open(Options{Container: name, Prefix: run + "/" + t.Name(), Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { storetest.Clear(t, s) })
		return s
	})
}

func xmlAnswer(status int, code string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/xml", "X-Ms-Error-Code": code},
		Body: "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>as the test\nwants it</Message></Error>",
	}
}

func TestToldApart(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Remote(t, storetest.Server{
		Endpoint: endpoint, Bucket: name,
		Open: func(t *testing.T, where storetest.At) store.Store { return at(t, run, where) },
		Break: func(t *testing.T) {
			t.Setenv(keyVariable, base64.StdEncoding.EncodeToString([]byte("another account's key")))
		},
		Denied:    xmlAnswer(403, "AuthorizationPermissionMismatch"),
		Throttled: xmlAnswer(503, "ServerBusy"),
		More: []storetest.Told{
			{Name: "Firewall", Answer: xmlAnswer(403, "AuthorizationFailure"), Want: store.ErrDenied, Text: "AuthorizationFailure"},
			{Name: "NoKeysAllowed", Answer: xmlAnswer(403, "KeyBasedAuthenticationNotPermitted"), Want: store.ErrDenied, Text: "KeyBasedAuthenticationNotPermitted"},
			{Name: "Immutable", Answer: xmlAnswer(409, "BlobImmutableDueToPolicy"), Text: "an immutability policy"},
			{Name: "BeingDeleted", Answer: xmlAnswer(409, "ContainerBeingDeleted"), Text: "does not exist"},
			{Name: "SomeOther404", Answer: xmlAnswer(404, "ResourceNotFound"), Text: "ResourceNotFound"},
		},
	})
}
