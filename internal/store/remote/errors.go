package remote

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// MayPass tells whether another try may do better, by the HTTP status of the answer (0: there was none) and
// the error.
func MayPass(status int, err error) bool {
	if status != 0 {
		return slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status)
	}
	var untrusted *tls.CertificateVerificationError
	var credential *CredentialError
	return !errors.As(err, &untrusted) && !errors.As(err, &credential)
}

// MayHaveLanded tells whether a failed write may have been carried out, or may be yet.
func MayHaveLanded(status int, err error) bool {
	if status != 0 {
		return status >= 500 || status == http.StatusRequestTimeout
	}
	var op *net.OpError
	var name *net.DNSError
	var credential *CredentialError
	notSent := (errors.As(err, &op) && op.Op == "dial") || errors.As(err, &name) || errors.As(err, &credential)
	return !notSent
}

// CredentialError says that the SDK's chain has no credentials, or could not turn them into a token.
type CredentialError struct {
	Of  string // "AWS", "Azure", "Google"
	Err error
}

func (e *CredentialError) Error() string { return "find " + e.Of + " credentials: " + brief(e.Err) }

// Unwrap gives the cause.
func (e *CredentialError) Unwrap() error { return e.Err }

// Brief is an error on one line of bearable length. SDKs print whole answers.
func Brief(err error) error { return briefError{err} }

type briefError struct{ error }

func (e briefError) Error() string { return brief(e.error) }

func (e briefError) Unwrap() error { return e.error }

const longest = 500 // bytes

func brief(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}

// CheckEndpoint refuses what is no URL of a server. It does not print the text, which may hold a password.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return errors.New("the endpoint must be a URL such as https://storage.example.com, without credentials in it")
	}
	return nil
}
