package s3

import (
	"crypto/rand"
	"os"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
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

func at(t *testing.T, run string, where storetest.At) store.Store {
	t.Helper()
	s, err := open(t.Context(), Options{Bucket: where.Bucket, Prefix: run + "/" + t.Name(), Endpoint: where.Endpoint, RootCAs: where.RootCAs}, where.Patience)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Run(t, func(t *testing.T) store.Store {
		s := at(t, run, storetest.At{Endpoint: endpoint, Bucket: name, Patience: remote.Usual})
		t.Cleanup(func() { storetest.Clear(t, s) })
		return s
	})
}

func xmlAnswer(status int, code string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/xml", "X-Amz-Bucket-Region": "eu-west-1"},
		Body: "<Error><Code>" + code + "</Code><Message>as the test wants it</Message></Error>",
	}
}

func TestToldApart(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Remote(t, storetest.Server{
		Endpoint: endpoint, Bucket: name,
		Open:      func(t *testing.T, where storetest.At) store.Store { return at(t, run, where) },
		Break:     func(t *testing.T) { t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") },
		Denied:    xmlAnswer(403, "AccessDenied"),
		Throttled: xmlAnswer(503, "SlowDown"),
		More: []storetest.Told{
			{Name: "UnknownKeyID", Answer: xmlAnswer(403, "InvalidAccessKeyId"), Want: store.ErrDenied},
			{Name: "Clock", Answer: xmlAnswer(403, "RequestTimeTooSkewed")},
			{Name: "WrongRegion", Answer: xmlAnswer(301, "PermanentRedirect"), Text: "is in region eu-west-1, not in us-east-1 (set DMM_S3_REGION)"},
			{Name: "WrongRegionBySignature", Answer: xmlAnswer(400, "AuthorizationHeaderMalformed"), Text: "is in region eu-west-1, not in us-east-1"},
			{Name: "SomeOther404", Answer: xmlAnswer(404, "NotFound")},
		},
	})
}
