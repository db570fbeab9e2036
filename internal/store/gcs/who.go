package gcs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"cloud.google.com/go/compute/metadata"
)

// Who tells the service account. A key file has its name in it; in a cluster the metadata server knows.
func (b *bucket) Who(ctx context.Context) (string, error) {
	file := b.credentials.JSON()
	if len(file) == 0 {
		email, err := metadata.EmailWithContext(ctx, "default")
		if err != nil {
			return "", fmt.Errorf("ask the metadata server for the service account: %w", err)
		}
		return "service account " + strings.TrimSpace(email), nil
	}
	var f struct {
		Type        string `json:"type"`
		Email       string `json:"client_email"`
		Impersonate string `json:"service_account_impersonation_url"`
		Audience    string `json:"audience"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		return "", fmt.Errorf("read the credentials file: it is no JSON")
	}
	switch {
	case f.Email != "":
		return "service account " + f.Email, nil
	case f.Impersonate != "":
		email := f.Impersonate[strings.LastIndexByte(f.Impersonate, '/')+1:]
		return "service account " + strings.TrimSuffix(email, ":generateAccessToken"), nil
	case f.Audience != "":
		return "workload identity of " + f.Audience, nil
	}
	return "", fmt.Errorf("credentials of the type %s do not say whose they are", f.Type)
}
