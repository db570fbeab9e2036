// Command makebucket waits until the S3 server at DMM_TEST_S3_ENDPOINT answers and makes the bucket
// DMM_TEST_S3_BUCKET there. It is a step of scripts/test-servers; dmm itself never makes a bucket.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	endpoint, bucket := os.Getenv("DMM_TEST_S3_ENDPOINT"), os.Getenv("DMM_TEST_S3_BUCKET")
	if err := makeBucket(ctx, endpoint, bucket); err != nil {
		fmt.Fprintf(os.Stderr, "make bucket %s at %s: %v\n", bucket, endpoint, err)
		os.Exit(1) //nolint:gocritic // the deferred cancel frees nothing that the exit does not
	}
}

func makeBucket(ctx context.Context, endpoint, bucket string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"))
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = &endpoint, true
	})
	for {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		var ours *types.BucketAlreadyOwnedByYou
		if err == nil || errors.As(err, &ours) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not get ready: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
