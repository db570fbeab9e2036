package azure

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// credential gives a failure to get a token its name.
type credential struct{ azcore.TokenCredential }

func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return token, &remote.CredentialError{Of: "Azure", Err: err}
	}
	return token, nil
}

// who reads the token's claims: they say who it was given to. Nothing is decided by them, so they need no check.
func (c credential) who(ctx context.Context) (string, error) {
	token, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	if err != nil {
		return "", err
	}
	var claims struct {
		App    string `json:"appid"`
		Client string `json:"azp"`
		User   string `json:"upn"`
		Object string `json:"oid"`
		Tenant string `json:"tid"`
	}
	parts := strings.Split(token.Token, ".")
	if len(parts) != 3 {
		return "", errors.New("the token does not say whose it is")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return "", errors.New("the token does not say whose it is")
	}
	if claims.User != "" {
		return fmt.Sprintf("user %s, tenant %s", claims.User, claims.Tenant), nil
	}
	return fmt.Sprintf("client id %s, object id %s, tenant %s", cmp.Or(claims.App, claims.Client), claims.Object, claims.Tenant), nil
}

// sharedAccess refuses what is no shared access signature: a request with it would be an anonymous one.
func sharedAccess(sas string) (who func(context.Context) (string, error), err error) {
	q, err := url.ParseQuery(sas)
	if err != nil || q.Get("sig") == "" {
		return nil, errors.New("the shared access signature has no signature (sig=) in it")
	}
	return func(context.Context) (string, error) {
		return fmt.Sprintf("a shared access signature with the permissions %q, until %s", q.Get("sp"), cmp.Or(q.Get("se"), "its policy says")), nil
	}, nil
}
