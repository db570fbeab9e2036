package kube

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Backups is where Domino keeps its backups: spec.config.blob_storage.backups of the Domino resource, which used to be
// blob_storage.backups of domino.yml (docs-facts.md §4.1).
type Backups struct {
	Type     string // s3, azure, gcs or shared
	Bucket   string // of s3 and gcs, or the container of azure
	Region   string // of s3; may be empty
	KMSKeyID string // of s3: a key's ARN; may be empty
	Account  string // of azure
	Key      Secret // of azure: the account's key; may be empty, where identities are used
}

// Secret does not print itself.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(not shown)"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// BackupsReason says why there is no place that Domino backs up to.
type BackupsReason int

// The reasons, in the order in which one comes to them.
const (
	BackupsUnreadable BackupsReason = iota + 1 // neither YAML nor JSON
	BackupsNoConfig                            // neither a Domino resource with a spec.config nor a domino.yml
	BackupsNoStorage                           // without blob_storage, as data planes are (docs-facts.md §4.1)
	BackupsNone                                // blob_storage without backups
	BackupsNoType                              // backups without a type
	BackupsBadType                             // a type that dmm does not know
	BackupsMissing                             // a field that the type needs is absent or empty
	BackupsMalformed                           // a field is no text
	BackupsAmbiguous                           // it says two things
)

// BackupsError says what of a Domino resource names no place, and why. It never holds a value that may be a secret.
type BackupsError struct {
	Reason BackupsReason
	Field  string // such as spec.config.blob_storage.backups.s3.bucket
	Detail string // for people
}

func (e *BackupsError) Error() string {
	return fmt.Sprintf("find where Domino keeps its backups: %s %s", e.Field, e.Detail)
}

// BackupStorage reads where Domino keeps its backups, from the Domino resource or from domino.yml, as YAML or JSON. Every
// error is a [*BackupsError].
func BackupStorage(resource []byte) (Backups, error) {
	var document any
	if err := yaml.Unmarshal(resource, &document); err != nil {
		// The parser's error quotes lines, and there are keys in them.
		return Backups{}, &BackupsError{BackupsUnreadable, "the Domino resource", "is neither YAML nor JSON"}
	}
	root := node{document, ""}
	config := root.at("spec").at("config")
	if config.value == nil {
		config = root // domino.yml
	}
	storage := config.at("blob_storage")
	switch {
	case config.fields() == nil, config.path == "" && storage.value == nil:
		return Backups{}, &BackupsError{BackupsNoConfig, "the Domino resource", "has no spec.config, and is no domino.yml, which would have a blob_storage"}
	case storage.fields() == nil:
		return Backups{}, storage.err(BackupsNoStorage, "is not there: a data plane has none, and the resource of the deployment is needed")
	}
	backups := storage.at("backups")
	if backups.fields() == nil {
		return Backups{}, backups.err(BackupsNone, "is not there")
	}
	return readBackups(backups)
}

func readBackups(backups node) (b Backups, err error) {
	if b.Type, err = backups.at("type").text(); err != nil {
		return Backups{}, err
	}
	b.Type = strings.ToLower(b.Type)
	section := backups.at(b.Type)
	type field struct {
		name     string
		to       *string
		optional bool
	}
	var key string
	var fields []field
	switch b.Type {
	case "":
		return Backups{}, backups.at("type").err(BackupsNoType, "is not set")
	case "s3":
		fields = []field{{"bucket", &b.Bucket, false}, {"region", &b.Region, true}, {"sse_kms_key_id", &b.KMSKeyID, true}}
	case "azure":
		fields = []field{{"account_name", &b.Account, false}, {"container", &b.Bucket, false}, {"account_key", &key, true}}
	case "gcs":
		fields = []field{{"bucket", &b.Bucket, false}}
	case "shared":
		// Domino's guide for Azure sets this type and fills in the account all the same (docs-facts.md §4.1).
		for _, other := range []string{"azure.container", "s3.bucket", "gcs.bucket"} {
			name, in, _ := strings.Cut(other, ".")
			if text, _ := backups.at(name).at(in).text(); text != "" {
				return Backups{}, backups.err(BackupsAmbiguous, "has the type shared and also names "+other)
			}
		}
		return b, nil
	default:
		return Backups{}, backups.at("type").err(BackupsBadType, fmt.Sprintf("is %q, which is none of s3, azure, gcs and shared", b.Type))
	}
	for _, f := range fields {
		at := section.at(f.name)
		if *f.to, err = at.text(); err != nil {
			return Backups{}, err
		}
		if *f.to == "" && !f.optional {
			return Backups{}, at.err(BackupsMissing, "is not set")
		}
	}
	b.Key = Secret(key)
	return b, nil
}

// node is a value in a document, and the way to it.
type node struct {
	value any
	path  string
}

func (n node) fields() map[string]any {
	fields, _ := n.value.(map[string]any)
	return fields
}

func (n node) at(name string) node {
	return node{n.fields()[name], strings.TrimPrefix(n.path+"."+name, ".")}
}

func (n node) err(reason BackupsReason, detail string) error {
	return &BackupsError{reason, n.path, detail}
}

// text gives what is not there as "".
func (n node) text() (string, error) {
	switch v := n.value.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	}
	return "", n.err(BackupsMalformed, "is no text")
}
