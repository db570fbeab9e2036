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
	// A bucket's name is looser here than Amazon's rules for new ones: older buckets and other services have more.
	bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	// Characters that need no escape anywhere between here and the object's key.
	prefixName = regexp.MustCompile(`^[A-Za-z0-9!_.*'()=+@,:/-]*$`)
)

// storeExample ends the hint of every fault in DMM_STORE.
const storeExample = "s3://bucket/prefix or file:///path"

// StoreURL takes DMM_STORE apart:
//
//	s3://bucket/some/prefix   s3    bucket  some/prefix
//	file:///var/lib/dmm       file  /var/lib/dmm
//	mem:                      mem
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
		return none("set it to "+storeExample, `"domino" is not yet supported by this version`)
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
	case "s3":
		return s3Store(text, rest, none)
	case "azblob", "gs", "domino":
		return none("set it to "+storeExample, "stores of the scheme %q are not yet supported by this version", scheme)
	case "http", "https":
		return none("set it to s3://bucket/prefix and DMM_S3_ENDPOINT to the URL of the service", "%s is the URL of a service, not of a store", quoteURL(text))
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

func s3Store(text, rest string, none refusal) (scheme, bucket, prefix string, err error) {
	const hint = "give it as s3://bucket/prefix"
	name, ok := strings.CutPrefix(rest, "//")
	bucket, prefix, _ = strings.Cut(name, "/")
	switch {
	case strings.ContainsAny(name, "?#"):
		return none(hint+"; endpoint and region have DMM_S3_ENDPOINT and DMM_S3_REGION", "%s has a query or a fragment, which would be lost", quoteURL(text))
	case strings.Contains(bucket, "@"), strings.Contains(bucket, ":"):
		// Not shown: s3://KEY:SECRET@bucket is how other tools have it.
		return none(hint+"; credentials come from the surroundings (AWS_ACCESS_KEY_ID, a profile, the pod's role) and a server from DMM_S3_ENDPOINT", "it has a key, a password or a port where the bucket stands alone")
	case !ok || bucket == "":
		return none(hint, "%s names no bucket", quoteURL(text))
	case !bucketName.MatchString(bucket):
		return none(hint, "%s: no bucket can have the name %s", quoteURL(text), quoteURL(bucket))
	case !prefixName.MatchString(prefix):
		return none(hint, "%s: the prefix may have letters and digits of ASCII in it and !_.*'()=+@,:/-", quoteURL(text))
	}
	prefix = strings.Trim(prefix, "/")
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "." || part == ".." || part == "" && prefix != "" {
			return none(hint, "%s: the prefix has an empty part, a . or a .. in it, which some services take away", quoteURL(text))
		}
	}
	return "s3", bucket, prefix, nil
}
