package modes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
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

// open opens the store that the settings name.
func (e *Env) open(ctx context.Context) (store.Store, error) {
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
