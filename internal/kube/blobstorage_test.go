package kube_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/kube"
)

// resource is a Domino resource with the given blob_storage.
func resource(blobStorage string) string {
	return "apiVersion: some.group/v1alpha1\nkind: Domino\nmetadata: {name: prod, namespace: domino-operator}\nspec:\n  config:\n    schema: '1.7'\n    name: prod\n" +
		"    blob_storage:\n" + indent(blobStorage, 6) + "status: {phase: Ready}\n"
}

func indent(text string, n int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", n) + line)
	}
	return b.String() + "\n"
}

func TestBackupStorage(t *testing.T) {
	const s3 = "projects: {type: s3, s3: {bucket: blobs}}\nbackups:\n  type: s3\n  s3: {region: us-west-2, bucket: prod-backups, sse_kms_key_id: 'arn:aws:kms:us-west-2:1:key/2'}\n  azure: {account_name: '', account_key: '', container: ''}\n"
	for _, test := range []struct {
		name, text string
		want       kube.Backups
	}{
		{"s3", resource(s3), kube.Backups{Type: "s3", Bucket: "prod-backups", Region: "us-west-2", KMSKeyID: "arn:aws:kms:us-west-2:1:key/2"}},
		{"s3 in domino.yml", "schema: '1.7'\nname: prod\nblob_storage:\n" + indent(s3, 2), kube.Backups{Type: "s3", Bucket: "prod-backups", Region: "us-west-2", KMSKeyID: "arn:aws:kms:us-west-2:1:key/2"}},
		{"s3 alone", resource("backups: {type: S3, s3: {bucket: ' b ', region: null}}"), kube.Backups{Type: "s3", Bucket: "b"}},
		{"azure", resource("backups: {type: azure, azure: {account_name: acct, account_key: s3cr3t, container: backups}}"), kube.Backups{Type: "azure", Account: "acct", Key: "s3cr3t", Bucket: "backups"}},
		{"azure without a key", resource("backups: {type: azure, azure: {account_name: acct, container: backups}}"), kube.Backups{Type: "azure", Account: "acct", Bucket: "backups"}},
		{"gcs", resource("backups: {type: gcs, gcs: {bucket: b, service_account_name: platform@p.iam.gserviceaccount.com, project_name: p}}"), kube.Backups{Type: "gcs", Bucket: "b"}},
		{"shared", resource("backups: {type: shared}"), kube.Backups{Type: "shared"}},
		{"shared with empty others", resource("backups: {type: shared, s3: {bucket: ''}, azure: {container: null}}"), kube.Backups{Type: "shared"}},
		{"JSON", `{"spec": {"config": {"blob_storage": {"backups": {"type": "gcs", "gcs": {"bucket": "b"}}}}}}`, kube.Backups{Type: "gcs", Bucket: "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := kube.BackupStorage([]byte(test.text))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("BackupStorage: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestNoBackupStorage(t *testing.T) {
	const at = "spec.config.blob_storage.backups"
	for _, test := range []struct {
		name, text string
		reason     kube.BackupsReason
		field      string
	}{
		{"no YAML", "a: [s3cr3t", kube.BackupsUnreadable, "the Domino resource"},
		{"empty", "", kube.BackupsNoConfig, "the Domino resource"},
		{"a word", "s3cr3t", kube.BackupsNoConfig, "the Domino resource"},
		{"a list", "[1, 2]", kube.BackupsNoConfig, "the Domino resource"},
		{"something else", "kind: Pod\nspec: {containers: []}", kube.BackupsNoConfig, "the Domino resource"},
		{"a resource without config", "kind: Domino\nspec: {}", kube.BackupsNoConfig, "the Domino resource"},
		{"a config that is text", "spec: {config: s3cr3t}", kube.BackupsNoConfig, "the Domino resource"},
		{"a data plane", "kind: Domino\nspec: {config: {name: dp, compute_only: true}}", kube.BackupsNoStorage, "spec.config.blob_storage"},
		{"no backups", resource("projects: {type: s3, s3: {bucket: b}}"), kube.BackupsNone, at},
		{"backups that are text", resource("backups: s3cr3t"), kube.BackupsNone, at},
		{"no type", resource("backups: {s3: {bucket: b}}"), kube.BackupsNoType, at + ".type"},
		{"empty type", resource("backups: {type: '', s3: {bucket: b}}"), kube.BackupsNoType, at + ".type"},
		{"type that is no text", resource("backups: {type: {s3: s3cr3t}}"), kube.BackupsMalformed, at + ".type"},
		{"unknown type", resource("backups: {type: hdfs}"), kube.BackupsBadType, at + ".type"},
		{"s3 without its section", resource("backups: {type: s3}"), kube.BackupsMissing, at + ".s3.bucket"},
		{"s3 without a bucket", resource("backups: {type: s3, s3: {region: r, bucket: ''}}"), kube.BackupsMissing, at + ".s3.bucket"},
		{"bucket that is no text", resource("backups: {type: s3, s3: {bucket: [s3cr3t]}}"), kube.BackupsMalformed, at + ".s3.bucket"},
		{"azure without an account", resource("backups: {type: azure, azure: {container: c, account_key: s3cr3t}}"), kube.BackupsMissing, at + ".azure.account_name"},
		{"azure without a container", resource("backups: {type: azure, azure: {account_name: a, account_key: s3cr3t}}"), kube.BackupsMissing, at + ".azure.container"},
		{"azure with a key that is no text", resource("backups: {type: azure, azure: {account_name: a, container: c, account_key: {secret: s3cr3t}}}"), kube.BackupsMalformed, at + ".azure.account_key"},
		{"gcs without a bucket", resource("backups: {type: gcs, gcs: {project_name: p}}"), kube.BackupsMissing, at + ".gcs.bucket"},
		{"Domino's guide for Azure", resource("backups: {type: shared, azure: {account_name: a, account_key: s3cr3t, container: c}}"), kube.BackupsAmbiguous, at},
		{"in domino.yml", "blob_storage: {backups: {type: s3}}", kube.BackupsMissing, "blob_storage.backups.s3.bucket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := kube.BackupStorage([]byte(test.text))
			var e *kube.BackupsError
			if !errors.As(err, &e) || e.Reason != test.reason || e.Field != test.field || !strings.Contains(e.Error(), test.field) || strings.Contains(e.Error(), "s3cr3t") || got != (kube.Backups{}) {
				t.Errorf("BackupStorage = %v, %#v, want reason %d at %s", got, err, test.reason, test.field)
			}
		})
	}
}

func TestBackupsDoNotShowTheirKey(t *testing.T) {
	b, err := kube.BackupStorage([]byte(resource("backups: {type: azure, azure: {account_name: acct, account_key: s3cr3t, container: backups}}")))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), fmt.Sprintf("%#v", b), fmt.Sprintf("%q", b.Key), string(asJSON)} {
		if strings.Contains(text, "s3cr3t") || !strings.Contains(text, "not shown") {
			t.Errorf("it prints as %s", text)
		}
	}
}

func FuzzBackupStorage(f *testing.F) {
	f.Add(resource("backups: {type: s3, s3: {bucket: b}}"))
	f.Add("blob_storage: {backups: {type: azure}}")
	f.Add(`{"spec": {"config": []}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := kube.BackupStorage([]byte(text))
		var e *kube.BackupsError
		switch {
		case err != nil && (!errors.As(err, &e) || got != (kube.Backups{}) || e.Field == ""):
			t.Errorf("%q: %v, %#v", text, got, err)
		case err == nil && got.Type != "shared" && got.Bucket == "":
			t.Errorf("%q: %+v names no bucket", text, got)
		}
	})
}
