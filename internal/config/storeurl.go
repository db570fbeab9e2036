package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/-]{1,80}$`)
	urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	// Characters that need no escape anywhere between here and the object's key.
	prefixName = regexp.MustCompile(`^[A-Za-z0-9!_.*'()=+@,:/-]*$`)
)

// storeExample ends the hint of every fault in DMM_STORE.
const storeExample = "s3://bucket/prefix, azblob://container/prefix, gs://bucket/prefix, file:///path or domino"

// bucketStore is what differs between the stores that are a bucket in a service.
type bucketStore struct {
	bucket      string // what the service calls one
	name        *regexp.Regexp
	credentials string // where they come from
	server      string // the variable that names a server
	other       string // where what other tools write into the URL belongs
}

var bucketStores = map[string]bucketStore{
	// A bucket's name is looser here than Amazon's rules for new ones: older buckets and other services have more.
	"s3": {"bucket", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`),
		"AWS_ACCESS_KEY_ID, a profile, the pod's role", "DMM_S3_ENDPOINT", "endpoint and region have DMM_S3_ENDPOINT and DMM_S3_REGION"},
	"azblob": {"container", regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`),
		"AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, the pod's identity", "DMM_AZURE_ENDPOINT", "account and endpoint have DMM_AZURE_ACCOUNT and DMM_AZURE_ENDPOINT"},
	"gs": {"bucket", regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`),
		"GOOGLE_APPLICATION_CREDENTIALS, the pod's identity", "DMM_GCS_ENDPOINT", "the endpoint has DMM_GCS_ENDPOINT"},
}

// StoreURL takes DMM_STORE apart:
//
//	s3://bucket/some/prefix         s3      bucket     some/prefix
//	azblob://container/some/prefix  azblob  container  some/prefix
//	gs://bucket/some/prefix         gs      bucket     some/prefix
//	file:///var/lib/dmm             file    /var/lib/dmm
//	mem:                            mem
//	domino                          domino
//
// The prefix has no slash at either end, the path is absolute and clean, the scheme is in lower case. The error is a
// *[Fault] and does not show what may be a password in the URL.
func (c *Config) StoreURL() (scheme, bucketOrPath, prefix string, err error) {
	none := func(hint, reason string, a ...any) (string, string, string, error) {
		return "", "", "", fault("DMM_STORE", hint, reason, a...)
	}
	text := c.Store
	if text == "" {
		return none("set it to "+storeExample, "it is not set, and this mode keeps its records there")
	}
	if strings.EqualFold(text, "domino") {
		return "domino", "", "", nil
	}
	scheme = strings.ToLower(strings.TrimSuffix(urlScheme.FindString(text), ":"))
	if scheme == "" {
		hint := "set it to " + storeExample
		if plainPath.MatchString(text) {
			hint = "set it to file://" + text
		}
		return none(hint, "%s has no scheme, so that it is not known what kind of store it is", quoteURL(text))
	}
	rest := text[len(scheme)+1:]
	switch scheme {
	case "mem":
		if strings.Trim(rest, "/") != "" {
			return none("set it to mem:", "%s: a store in memory has no name", quoteURL(text))
		}
		return "mem", "", "", nil
	case "file":
		return fileStore(text, rest, none)
	case "s3", "azblob", "gs":
		return bucketStores[scheme].parse(scheme, text, rest, none)
	case "domino":
		return none("set it to domino, or to a store by name", "%s: what Domino backs up to is named by the Domino resource, and not here", quoteURL(text))
	case "gcs", "az", "azure", "abfs", "abfss", "wasbs":
		return none("set it to "+storeExample, "%s has the scheme %q, which other tools have", quoteURL(text), scheme)
	case "http", "https":
		return none("set it to s3://bucket/prefix, azblob://container/prefix or gs://bucket/prefix, and DMM_S3_ENDPOINT, DMM_AZURE_ENDPOINT or DMM_GCS_ENDPOINT to the URL of the service", "%s is the URL of a service, not of a store", quoteURL(text))
	}
	return none("set it to "+storeExample, "%s has the scheme %q, which no store has", quoteURL(text), scheme)
}

// refusal makes the four results of a StoreURL that is refused.
type refusal func(hint, reason string, a ...any) (string, string, string, error)

func fileStore(text, rest string, none refusal) (scheme, path, prefix string, err error) {
	const hint = "give an absolute path, such as file:///var/lib/dmm"
	if strings.ContainsAny(rest, "?#") {
		return none(hint, "%s: a path has no ? and no # in it", quoteURL(text))
	}
	rest = strings.TrimPrefix(rest, "//")
	if !strings.HasPrefix(rest, "/") {
		return none(hint, "%s is not an absolute path: two slashes begin the name of a machine, a third one the path", quoteURL(text))
	}
	path, e := url.PathUnescape(rest)
	if e != nil || strings.ContainsRune(path, 0) {
		return none(hint, "%s has a %% in it that begins no escape; a %% itself is written %%25", quoteURL(text))
	}
	if path = filepath.Clean(path); path == "/" {
		return none(hint, "%s names no folder", quoteURL(text))
	}
	return "file", path, "", nil
}

func (b bucketStore) parse(scheme, text, rest string, none refusal) (_, bucket, prefix string, err error) {
	hint := "give it as " + scheme + "://" + b.bucket + "/prefix"
	name, ok := strings.CutPrefix(rest, "//")
	bucket, prefix, _ = strings.Cut(name, "/")
	switch {
	case strings.ContainsAny(name, "?#"):
		return none(hint+"; "+b.other, "%s has a query or a fragment, which would be lost", quoteURL(text))
	case strings.Contains(bucket, "@"), strings.Contains(bucket, ":"):
		// Not shown: s3://KEY:SECRET@bucket is how other tools have it.
		return none(hint+"; credentials come from the surroundings ("+b.credentials+") and a server from "+b.server, "it has a key, a password or a port where the %s stands alone", b.bucket)
	case !ok || bucket == "":
		return none(hint, "%s names no %s", quoteURL(text), b.bucket)
	case !b.name.MatchString(bucket):
		return none(hint, "%s: no %s can have the name %s", quoteURL(text), b.bucket, quoteURL(bucket))
	case !prefixName.MatchString(prefix):
		return none(hint, "%s: the prefix may have letters and digits of ASCII in it and !_.*'()=+@,:/-", quoteURL(text))
	}
	prefix = strings.Trim(prefix, "/")
	for part := range strings.SplitSeq(prefix, "/") {
		if prefix != "" && (part == "" || strings.HasSuffix(part, ".")) {
			return none(hint, "%s: the prefix has a part that is empty or ends in a dot, which some services take away", quoteURL(text))
		}
	}
	return scheme, bucket, prefix, nil
}
