package modes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/azure"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
	"github.com/domino-maintenance-mode/dmm/internal/store/gcs"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/store/s3"
)

// Where dmm keeps its records among the backups of the deployment, and where a volume that holds those is mounted. Domino's
// own backups are dated folders (docs-facts.md §4.3), among which ours stand out.
const (
	backupsPrefix = "domino-maintenance-mode"
	// sharedBackups is the folder in which Domino's importer has them (docs-facts.md §4.2). Others rely on it: whoever
	// mounts the volume into dmm's pod.
	sharedBackups = "/opt/shared/backups"
)

// open opens the store that the settings name, with the key of its records if they name one.
func (e *Env) open(ctx context.Context) (store.Store, error) {
	key, err := e.journalKey()
	if err != nil {
		return nil, err
	}
	s, err := e.openStore(ctx)
	if err != nil || key == nil && !e.Config.AllowUnsigned {
		return s, err
	}
	return seal.Store{Store: s, Key: key, AllowUnsealed: e.Config.AllowUnsigned}, nil
}

// journalKey reads the key of the records, nil if the settings name none.
func (e *Env) journalKey() (*seal.Key, error) {
	file := e.Config.JournalKeyFile
	if file == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(file)
	var key *seal.Key
	if err == nil {
		key, err = seal.NewKey(secret)
	}
	if err != nil {
		return nil, &UsageError{
			Reason: fmt.Sprintf("DMM_JOURNAL_KEY_FILE is %s: %v", file, err),
			Next:   "name a file that holds the key; a first one is made by: head -c 32 /dev/urandom | base64 > FILE",
		}
	}
	return key, nil
}

// keyed refuses to act on records that are under a key where none is at hand: what they say cannot be told from what
// somebody else has written.
func (e *Env) keyed(at *scene) error {
	sealed := seal.Of(at.store)
	if at.last == nil || !at.last.Sealed() || sealed.Key != nil || sealed.AllowUnsealed {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("window %s is under a key, and DMM_JOURNAL_KEY_FILE names none", at.last.Name()),
		Next: "set DMM_JOURNAL_KEY_FILE; the chart keeps the key in the Secret that ends in -journal-key. " +
			"If it is lost: --allow-unsigned, once you have looked at what dmm " + at.res.Mode + " --dry-run --allow-unsigned would do",
	}
}

func (e *Env) openStore(ctx context.Context) (store.Store, error) {
	e.place = e.Config.Store
	if e.Store != nil {
		return e.Store, nil
	}
	c := *e.Config
	var key kube.Secret
	scheme, place, prefix, err := c.StoreURL()
	if err == nil && scheme == "domino" {
		if key, err = e.backups(ctx, &c); err == nil {
			scheme, place, prefix, err = c.StoreURL()
		}
	}
	if err != nil {
		return nil, err
	}
	e.place = c.Store
	roots, err := c.RootCAs()
	if err != nil {
		return nil, err
	}
	switch scheme {
	case "file":
		switch info, err := os.Stat(place); {
		case err == nil && !info.IsDir():
			return nil, &UsageError{Reason: fmt.Sprintf("DMM_STORE is %s, and %s is not a folder", c.Store, place), Next: "set DMM_STORE to a folder"}
		case e.reads && errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("open file store: the folder %s %w", place, file.ErrNoFolder)
		}
		return file.Open(place)
	case "s3":
		return s3.Open(ctx, s3.Options{
			Bucket: place, Prefix: prefix, Endpoint: c.S3Endpoint, Region: c.S3Region,
			PathStyle: c.S3PathStyle, KMSKeyID: c.S3KMSKeyID, RootCAs: roots,
		})
	case "azblob":
		return azure.Open(azure.Options{
			Container: place, Prefix: prefix, Account: c.AzureAccount, Endpoint: c.AzureEndpoint, Key: string(key), RootCAs: roots,
		})
	case "gs":
		return gcs.Open(ctx, gcs.Options{Bucket: place, Prefix: prefix, Endpoint: c.GCSEndpoint, RootCAs: roots})
	}
	return mem.New(), nil // config lets no other scheme pass
}

// backups puts the place of Domino's backups into the settings, where they do not say otherwise, and returns the key of the
// storage account if the Domino resource holds it.
func (e *Env) backups(ctx context.Context, c *config.Config) (kube.Secret, error) {
	resource, err := e.dominoResource(ctx)
	if err != nil {
		return "", err
	}
	const byName = "set DMM_STORE to the storage itself, such as s3://bucket/" + backupsPrefix
	b, err := kube.BackupStorage(resource)
	if err != nil {
		return "", &UsageError{Reason: "DMM_STORE is domino: " + err.Error(), Next: byName}
	}
	set := func(setting *string, value string) {
		if *setting == "" {
			*setting = value
		}
	}
	switch b.Type {
	case "s3":
		c.Store = "s3://" + b.Bucket + "/" + backupsPrefix
		set(&c.S3Region, b.Region)
		set(&c.S3KMSKeyID, b.KMSKeyID)
	case "azure":
		c.Store = "azblob://" + b.Bucket + "/" + backupsPrefix
		set(&c.AzureAccount, b.Account)
		if c.AzureAccount != b.Account {
			b.Key = "" // it is another account's
		}
	case "gcs":
		c.Store = "gs://" + b.Bucket + "/" + backupsPrefix
	case "shared":
		if _, err := os.Stat(sharedBackups); err != nil {
			return "", &UsageError{
				Reason: fmt.Sprintf("DMM_STORE is domino, whose backups are on a shared volume, and that is not mounted here: %v", err),
				Next:   fmt.Sprintf("mount Domino's shared volume so that its backups are in %s, or set DMM_STORE to file:///path", sharedBackups),
			}
		}
		c.Store = "file://" + sharedBackups + "/" + backupsPrefix
	}
	if _, _, _, err := c.StoreURL(); err != nil {
		return "", &UsageError{Reason: "DMM_STORE is domino, and what the Domino resource names can be no store: " + err.Error(), Next: byName}
	}
	e.Log.Info("records are kept with Domino's backups", "store", c.Store)
	return b.Key, nil
}

// dominoResource reads the Domino resource from a file if one is named, from the cluster otherwise.
func (e *Env) dominoResource(ctx context.Context) ([]byte, error) {
	c := e.Config
	if c.DominoFile != "" {
		text, err := os.ReadFile(c.DominoFile)
		if err != nil {
			return nil, fmt.Errorf("read the Domino resource: %w", err)
		}
		return text, nil
	}
	const otherwise = "name a file with the Domino resource in DMM_DOMINO_FILE, or set DMM_STORE to the storage itself"
	if e.Cluster == nil {
		return nil, &UsageError{
			Reason: "DMM_STORE is domino, which is read from the cluster, and no cluster is looked at",
			Next:   "set DMM_KUBERNETES to true, with KUBECONFIG outside of a pod; or " + otherwise,
		}
	}
	resource, err := e.Cluster.DominoResource(ctx, c.OperatorNamespace)
	switch {
	case errors.Is(err, kube.ErrDenied):
		return nil, &UsageError{Reason: "DMM_STORE is domino: " + err.Error(), Next: "allow dmm's service account to list it (the chart does with store.url=domino); or " + otherwise}
	case errors.Is(err, kube.ErrNotFound):
		return nil, &UsageError{Reason: "DMM_STORE is domino: " + err.Error(), Next: "set DMM_OPERATOR_NAMESPACE to the namespace of the Domino resource; or " + otherwise}
	case err != nil:
		return nil, fmt.Errorf("read the Domino resource: %w", err)
	}
	return resource, nil
}
