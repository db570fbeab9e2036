package s3

import (
	"context"
	"errors"
	"fmt"
)

// Right names the permission. Without the right to list, a missing object answers like a forbidden one.
func (b *bucket) Right(op string) string {
	write, read := "", ""
	if b.KMSKeyID != "" {
		write, read = ", and kms:GenerateDataKey on the key", ", and kms:Decrypt on the key"
	}
	switch op {
	case "put", "create":
		return "s3:PutObject" + write
	case "delete":
		return "s3:DeleteObject"
	case "list":
		return "s3:ListBucket"
	}
	return "s3:GetObject" + read + ", and s3:ListBucket if the object is absent"
}

// Who asks AWS for our ARN, which takes no permission. Other servers have no such thing.
func (b *bucket) Who(ctx context.Context) (string, error) {
	o := b.client.Options()
	found, err := o.Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	// The id of a key is no secret: it is in each request in clear.
	key := fmt.Sprintf("access key %s (%s)", found.AccessKeyID, found.Source)
	if o.BaseEndpoint != nil {
		return key, nil
	}
	out, err := b.login.GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("%s; ask STS for its ARN: %w", key, err)
	}
	if out.Arn == nil {
		return "", errors.New(key + "; STS tells no ARN")
	}
	return *out.Arn, nil
}
