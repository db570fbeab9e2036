// Command makebucket waits until a storage server of scripts/test-servers answers and makes the tests' bucket there; dmm
// itself never makes one.
//
//	go run ./scripts/makebucket s3|azure|gcs ENDPOINT BUCKET
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: makebucket s3|azure|gcs ENDPOINT BUCKET")
		os.Exit(2) //nolint:gocritic // the deferred cancel frees nothing that the exit does not
	}
	if err := wait(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintf(os.Stderr, "make bucket %s at %s: %v\n", os.Args[3], os.Args[2], err)
		os.Exit(1)
	}
}

func wait(ctx context.Context, kind, endpoint, bucket string) error {
	maker, ok := map[string]func(context.Context, string, string) error{"s3": inS3, "azure": inAzure, "gcs": inGCS}[kind]
	if !ok {
		return fmt.Errorf("%q is none of s3, azure, gcs", kind)
	}
	for {
		err := maker(ctx, endpoint, bucket)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not get ready: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func inS3(ctx context.Context, endpoint, bucket string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"))
	if err != nil {
		return err
	}
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &endpoint, true }).
		CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	var ours *types.BucketAlreadyOwnedByYou
	if errors.As(err, &ours) {
		return nil
	}
	return err
}

func inAzure(ctx context.Context, endpoint, name string) error {
	key, err := container.NewSharedKeyCredential(os.Getenv("AZURE_STORAGE_ACCOUNT"), os.Getenv("AZURE_STORAGE_KEY"))
	if err != nil {
		return err
	}
	o := &container.ClientOptions{}
	o.Retry = policy.RetryOptions{MaxRetries: -1}
	client, err := container.NewClientWithSharedKeyCredential(endpoint+"/"+name, key, o)
	if err == nil {
		_, err = client.Create(ctx, nil)
	}
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return nil
	}
	return err
}

// inGCS speaks to an emulator, which asks for no credentials.
func inGCS(ctx context.Context, endpoint, bucket string) error {
	body := strings.NewReader(fmt.Sprintf(`{"name": %q}`, bucket))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/storage/v1/b?project=dmm", body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusConflict {
		return errors.New(resp.Status)
	}
	return nil
}
