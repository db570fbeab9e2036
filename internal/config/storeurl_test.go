package config

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreURL(t *testing.T) {
	for _, test := range []struct {
		text                 string
		scheme, name, prefix string
		fault                string // words of the fault; empty if there is none
	}{
		{"s3://bucket", "s3", "bucket", "", ""},
		{"s3://bucket/", "s3", "bucket", "", ""},
		{"s3://bucket/prefix", "s3", "bucket", "prefix", ""},
		{"S3://bucket/a/b=c/", "s3", "bucket", "a/b=c", ""},
		{"s3://my.bucket-1_x/p", "s3", "my.bucket-1_x", "p", ""},
		{"file:///var/lib/dmm", "file", "/var/lib/dmm", "", ""},
		{"file:/var/lib/dmm/", "file", "/var/lib/dmm", "", ""},
		{"file:///a/../b//c%20d%25", "file", "/b/c d%", "", ""},
		{"azblob://container/a/b/", "azblob", "container", "a/b", ""},
		{"gs://my.bucket_1/p", "gs", "my.bucket_1", "p", ""},
		{"domino", "domino", "", "", ""},
		{"Domino", "domino", "", "", ""},
		{"mem:", "mem", "", "", ""},
		{"mem://", "mem", "", "", ""},
		{"MEM:", "mem", "", "", ""},

		{"", "", "", "", "it is not set"},
		{"bucket", "", "", "", "no scheme"},
		{"/var/lib/dmm", "", "", "", "set it to file:///var/lib/dmm"},
		{"domino:", "", "", "", "set it to domino"},
		{"domino://backups", "", "", "", "set it to domino"},
		{"azblob://Container", "", "", "", "no container can have the name"},
		{"azblob://a--b", "", "", "", "no container can have the name"},
		{"azblob://account.blob.core.windows.net/c?sig=x", "", "", "", "DMM_AZURE_ACCOUNT"},
		{"azblob://account:k3y@container", "", "", "", "AZURE_STORAGE_KEY"},
		{"gs://UPPER", "", "", "", "no bucket can have the name"},
		{"gs://bucket?x", "", "", "", "DMM_GCS_ENDPOINT"},
		{"s3://bucket/a./b", "", "", "", "ends in a dot"},
		{"gcs://bucket", "", "", "", `scheme "gcs", which other tools have; set it to s3://bucket/prefix, azblob://container/prefix, gs://bucket/prefix`},
		{"https://minio:9000/bucket", "", "", "", "DMM_S3_ENDPOINT"},
		{"s3:", "", "", "", "no bucket"},
		{"s3://", "", "", "", "no bucket"},
		{"s3:///prefix", "", "", "", "no bucket"},
		{"s3:bucket", "", "", "", "no bucket"},
		{"s3:/bucket", "", "", "", "no bucket"},
		{"s3://-bucket", "", "", "", "no bucket can have the name"},
		{"s3://b cket", "", "", "", "no bucket can have the name"},
		{"s3://minio:9000/bucket", "", "", "", "DMM_S3_ENDPOINT"},
		{"s3://bucket/pre fix", "", "", "", "the prefix may have"},
		{"s3://bucket/pre%20fix", "", "", "", "the prefix may have"},
		{"s3://bucket/a//b", "", "", "", "empty or ends"},
		{"s3://bucket/a/../b", "", "", "", "ends in a dot"},
		{"s3://bucket/./b", "", "", "", "ends in a dot"},
		{"s3://bucket?region=eu", "", "", "", "DMM_S3_REGION"},
		{"s3://bucket/#x", "", "", "", "a query or a fragment"},
		{"file:", "", "", "", "not an absolute path"},
		{"file:var/lib/dmm", "", "", "", "not an absolute path"},
		{"file://var/lib/dmm", "", "", "", "not an absolute path"},
		{"file:///", "", "", "", "names no folder"},
		{"file:///a/..", "", "", "", "names no folder"},
		{"file:///a%2", "", "", "", "begins no escape"},
		{"file:///a?b", "", "", "", "no ?"},
		{"mem:x", "", "", "", "no name"},
	} {
		c := &Config{Store: test.text}
		scheme, name, prefix, err := c.StoreURL()
		if scheme != test.scheme || name != test.name || prefix != test.prefix {
			t.Errorf("%q = %q, %q, %q, want %q, %q, %q (%v)", test.text, scheme, name, prefix, test.scheme, test.name, test.prefix, err)
		}
		if test.fault == "" {
			if err != nil {
				t.Errorf("%q: %v", test.text, err)
			}
			continue
		}
		var f *Fault
		if !errors.As(err, &f) || f.Variable != "DMM_STORE" || f.Flag != "--store" || !strings.Contains(f.Error(), test.fault) {
			t.Errorf("%q: fault = %v, want one with %q", test.text, err, test.fault)
		}
	}
}

// Whatever the text is: what is accepted has the promised form and is read the same again, and what is refused is
// refused in one line that does not show what stands before an @.
func FuzzStoreURL(f *testing.F) {
	for _, text := range []string{
		"s3://bucket/prefix", "s3://a:s3cr3t@b/c", "file:///var/lib/dmm", "file:///a%2fb/../c", "mem:", "domino", "gs://x", "/a", "s3://b/?x#y", "s3:a:b@c", "://", "\xff\n", "S3://B/a/./b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scheme, name, prefix, err := (&Config{Store: text}).StoreURL()
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) || fault.Variable != "DMM_STORE" || fault.Hint == "" {
				t.Fatalf("%q: %T %v is no whole Fault on DMM_STORE", text, err, err)
			}
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q: %q is more than one line", text, err)
			}
			if scheme != "" || name != "" || prefix != "" {
				t.Errorf("%q is refused and has parts %q, %q, %q", text, scheme, name, prefix)
			}
			if _, _, _, err := (&Config{Store: "s3://key:s3cr3t" + text + "@b"}).StoreURL(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q behind a password: %v", text, err)
			}
			return
		}
		again := scheme + "://" + name
		switch scheme {
		case "mem":
			if name != "" || prefix != "" {
				t.Errorf("%q = mem, %q, %q", text, name, prefix)
			}
		case "file":
			if !filepath.IsAbs(name) || name != filepath.Clean(name) || name == "/" || prefix != "" {
				t.Errorf("%q = file, %q, %q", text, name, prefix)
			}
			again = "file://" + (&url.URL{Path: name}).EscapedPath()
		case "domino":
			if name != "" || prefix != "" {
				t.Errorf("%q = domino, %q, %q", text, name, prefix)
			}
			again = scheme
		case "s3", "azblob", "gs":
			if name == "" || strings.ContainsAny(name, "/:@") || prefix != strings.Trim(prefix, "/") || strings.Contains("/"+prefix+"/", "/../") || strings.Contains(prefix, "//") {
				t.Errorf("%q = %s, %q, %q", text, scheme, name, prefix)
			}
			again += "/" + prefix
		default:
			t.Fatalf("%q has the scheme %q", text, scheme)
		}
		if s, n, p, err := (&Config{Store: again}).StoreURL(); s != scheme || n != name || p != prefix || err != nil {
			t.Errorf("%q = %q, %q, %q, but %q = %q, %q, %q, %v", text, scheme, name, prefix, again, s, n, p, err)
		}
	})
}
