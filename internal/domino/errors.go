package domino

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind says what an [Error] means, which is what callers decide on.
type Kind int

const (
	// KindCredentials: Domino does not know who asks. 401, an anonymous principal, a login page where JSON was due, or a
	// redirect to one.
	KindCredentials Kind = iota + 1
	// KindForbidden: Domino knows the caller and says no (403).
	KindForbidden
	// KindNotFound: the object does not exist, in Domino's own words (404).
	KindNotFound
	// KindNoRoute: this release has no such route: a 404 as an HTML page, or the public API's "endpoint not found".
	KindNoRoute
	// KindThrottled: 429.
	KindThrottled
	// KindRefused: any other 4xx, and a 500 in Domino's own words, which is how it reports many business failures.
	KindRefused
	// KindUnavailable: 408, 502, 503, 504 and the like, and a 500 that is a page and not words.
	KindUnavailable
	// KindNetwork: no answer: dial, reset, timeout.
	KindNetwork
	// KindBadAnswer: a 2xx that cannot be decoded.
	KindBadAnswer
	// KindCertificate: the server's certificate is not trusted. Nothing was sent.
	KindCertificate
	// KindHeld: dmm itself did not send the call: its gate refused, the client may not write, or its context ended first.
	KindHeld
)

func (k Kind) String() string {
	switch k {
	case KindCredentials:
		return "credentials"
	case KindForbidden:
		return "forbidden"
	case KindNotFound:
		return "not found"
	case KindNoRoute:
		return "no such route"
	case KindThrottled:
		return "throttled"
	case KindRefused:
		return "refused"
	case KindUnavailable:
		return "unavailable"
	case KindNetwork:
		return "network"
	case KindBadAnswer:
		return "unreadable answer"
	case KindCertificate:
		return "certificate"
	case KindHeld:
		return "not sent"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// ErrReadOnly is in the chain of the error of every write through a client without a gate.
var ErrReadOnly = errors.New("this client may not change anything")

// Error is one failed call. It holds no header, no query and no credential, also where the server echoed one.
type Error struct {
	Method  string
	Path    string // as sent, without the query
	Status  int    // 0: no answer
	Kind    Kind
	Message string // Domino's own words, at most 500 runes
	Hint    string // what a person may do about it, often empty
	Tries   int    // how often a read was tried; 0 for a write
	Err     error  // the cause, where there is one beside the answer

	notSent    bool
	lost       bool
	retryAfter time.Duration
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s", e.Status, e.Kind)
	} else {
		b.WriteString(e.Kind.String())
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, ", tried %d times", e.Tries)
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// NotSent reports that the call surely was not carried out: it never reached Domino, or Domino answered 429.
func (e *Error) NotSent() bool { return e.notSent }

// Lost reports, of a write, that it may or may not take effect, now or later: its answer is missing or is not Domino's.
// That is 408 and every 5xx but 500; a 500 or 2xx with an HTML body or a 500 without one; and a fault of the network
// once the call may have left. Everything else is an answer. Lost is false for reads.
func (e *Error) Lost() bool { return e.lost }

// KindOf is the Kind of the [Error] in err's chain, 0 if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// IsCertificate reports whether err is, or wraps, a server certificate that is not trusted. Configuration is at fault
// then, not the network: the same call fails again.
func IsCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		roots        x509.SystemRootsError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &roots)
}

// RowError is one row of a list that does not parse, or another reason to think that a list is short. The rest of the
// list is good.
type RowError struct {
	What string // the row, as far as it can be named: "app 652f1c2a", "app row 17"
	Err  error
}

func (e RowError) Error() string { return e.What + ": " + e.Err.Error() }

func (e RowError) Unwrap() error { return e.Err }

// maxMessage is in runes: reasons are kept in the journal, one for each try.
const maxMessage = 500

// answerError is the error of an answer that is not a success. path is where it was asked for, body what was read of it.
func answerError(write bool, path string, status int, header http.Header, body []byte) *Error {
	isHTML := htmlBody(header, body)
	e := &Error{Status: status, Message: message(isHTML, body)}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind = KindCredentials
	case status >= 300 && status < 400:
		redirect(e, path, header)
	case !isHTML && anonymous(e.Message):
		// The endpoint, not the front door, tells of an invalid key (api.md §1: it makes the principal anonymous).
		e.Kind = KindCredentials
	case status == http.StatusForbidden:
		e.Kind = KindForbidden
	case status == http.StatusNotFound && (isHTML || strings.Contains(e.Message, "Public api endpoint")):
		e.Kind = KindNoRoute // api.md §2: both forms recorded
	case status == http.StatusNotFound:
		e.Kind = KindNotFound
	case status == http.StatusTooManyRequests:
		e.Kind, e.notSent = KindThrottled, true
	case status == http.StatusRequestTimeout, status > http.StatusInternalServerError:
		e.Kind = KindUnavailable
	case status == http.StatusInternalServerError && (isHTML || e.Message == ""):
		e.Kind = KindUnavailable
	default:
		e.Kind = KindRefused
	}
	e.lost = write && (status == http.StatusRequestTimeout || status > http.StatusInternalServerError ||
		status == http.StatusInternalServerError && (isHTML || e.Message == ""))
	switch {
	case strings.Contains(e.Message, "No current user in request"):
		e.Hint = "a token sent as an API key is answered so: give it as a token"
	case status == http.StatusConflict:
		// python-domino reads every 409 so; the specifications give no reason (api.md §1).
		e.Hint = "the owner's propagated cloud credentials may have expired: signing in to Domino again renews them"
	}
	return e
}

// loginPage is the error of a 2xx that is an HTML page: what a proxy or Domino itself shows to somebody signed out.
func loginPage(write bool, status int, body []byte) *Error {
	return &Error{
		Status: status, Kind: KindCredentials, lost: write,
		Message: "an HTML page in place of an answer: " + message(true, body),
		Hint:    "Domino, or a proxy before it, asks to sign in",
	}
}

func anonymous(message string) bool {
	return strings.Contains(message, "AnonymousPrincipal") || strings.Contains(message, "No current user in request")
}

// redirect fills in e for a redirect. None of Domino's routes redirects but to where one signs in, unless the URL of the
// deployment itself is not the one it wants to be called by. Of the target only host and path are kept: its query may
// hold a state or a token.
func redirect(e *Error, path string, h http.Header) {
	e.Kind, e.Message = KindCredentials, "redirected to an unknown place"
	location := h.Get("Location")
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return
	}
	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	e.Message = "redirected to " + clean(u.String())
	if u.Host != "" && u.EscapedPath() == path {
		e.Kind = KindRefused
		e.Hint = "use " + clean(u.Scheme+"://"+u.Host) + " as the URL of the deployment"
		return
	}
	e.Hint = "Domino, or a proxy before it, asks to sign in"
}

// callError is the error of a call that got no answer. sent says whether it may have reached the server.
func callError(write, sent bool, err error) *Error {
	if IsCertificate(err) {
		return &Error{Kind: KindCertificate, Err: err, notSent: true,
			Hint: "give the authority that signed it, or the name it is made out for"}
	}
	var (
		op  *net.OpError
		dns *net.DNSError
	)
	if errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect") {
		sent = false
	}
	return &Error{Kind: KindNetwork, Err: err, notSent: !sent, lost: write && sent}
}

// heldError is the error of a call that dmm kept back.
func heldError(err error) *Error { return &Error{Kind: KindHeld, Err: err, notSent: true} }

// htmlBody reports whether an answer is a page. Nothing that Domino says as JSON or text begins with "<".
func htmlBody(h http.Header, body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n\ufeff")
	if len(body) == 0 {
		return false
	}
	return body[0] == '<' || strings.Contains(strings.ToLower(h.Get("Content-Type")), "html")
}

var (
	titleElement = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	h1Element    = regexp.MustCompile(`(?is)<h1[^>]*>(.*?)</h1>`)
	anyElement   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// message takes Domino's own words out of an error body, whichever of its shapes that has (api.md §2).
func message(isHTML bool, body []byte) string {
	if isHTML {
		for _, re := range []*regexp.Regexp{titleElement, h1Element} {
			if m := re.FindSubmatch(body); m != nil {
				text := html.UnescapeString(string(anyElement.ReplaceAll(m[1], []byte(" "))))
				if text = clean(text); text != "" {
					return text
				}
			}
		}
		return "an HTML page without a title"
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return clean(string(body))
	}
	return clean(words(v))
}

// words is the text of an error body that is JSON.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		var all []string
		for _, e := range v {
			if w := words(e); w != "" {
				all = append(all, w)
			}
		}
		return strings.Join(all, "; ")
	case map[string]any:
		return objectWords(v)
	}
	return fmt.Sprint(v)
}

func objectWords(o map[string]any) string {
	var all []string
	add := func(s string) {
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for _, key := range []string{"message", "debugMessage", "errors", "error", "error_description"} {
		add(words(o[key]))
	}
	if missing := words(o["missing"]); missing != "" {
		add("missing right: " + missing)
	}
	if len(all) > 0 {
		return strings.Join(all, "; ")
	}
	if len(o) == 0 {
		return ""
	}
	raw, _ := json.Marshal(o) // it came out of JSON
	return string(raw)
}

// clean makes one line of s. It does not cut: what must be redacted is looked for in the whole.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// cut shortens s to at most n runes.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// redacted keeps a cause for errors.Is and errors.As and changes what it prints.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// ending is why ctx has ended: its error, and its cause if it has another.
func ending(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// ended reports whether err is the end of a context, be it by cancellation or by time.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
