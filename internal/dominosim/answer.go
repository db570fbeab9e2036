package dominosim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// obj is a JSON object on its way out. Maps and not structs, because most objects differ from version to version.
type obj = map[string]any

// An answer is what Domino sends back. body is encoded after the model has been unlocked, so nothing in it
// may be shared with the model and changed there.
type answer struct {
	status  int
	body    any
	html    string
	header  map[string]string
	message string // Domino's words when it refuses

	encoded []byte
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// done is 200 without a body (api.md §2, "empty body").
func done() answer { return answer{status: http.StatusOK} }

// refusal is Domino's most common form of an error (api.md §2).
func refusal(status int, message string) answer {
	return answer{status: status, message: message, body: obj{"message": message, "success": false}}
}

// missingParameter is Play's answer to an absent query key (LIVE, api.md §2).
func missingParameter(key string) answer {
	m := "Missing parameter: " + key
	return answer{status: http.StatusBadRequest, message: m, body: obj{"message": m}}
}

// invalidJSON is Play's answer to a body that its Reads do not take (LIVE, api.md §2). The layout
// of "errors" is NOT EVIDENCED.
func invalidJSON(detail string) answer {
	const m = "Json validation error"
	return answer{status: http.StatusBadRequest, message: m + ": " + detail, body: obj{"message": m, "errors": detail}}
}

// publicError is the form of the public API (api.md §2).
func publicError(status int, message string) answer {
	return answer{status: status, message: message, body: obj{"errors": []string{message}, "requestId": "sim"}}
}

// forbidden is the recorded body of a caller without the rights (LIVE, api.md §2).
func forbidden(principal, operation string) answer {
	debug := principal + " is not authorized to perform this action. Required: [" + operation + "], but missing [" + operation + "]"
	return answer{
		status:  http.StatusForbidden,
		message: "Your role does not authorize you to perform this action",
		body: obj{
			"success": false, "message": "Your role does not authorize you to perform this action", "debugMessage": debug,
			"reason": obj{"required": []string{operation}, "missing": []string{operation}},
		},
	}
}

// lacking is the short form of a 403 (LIVE for AccessApp and RegisterDataMounts, api.md §2).
func lacking(operation string) answer {
	return answer{
		status: http.StatusForbidden, message: "missing " + operation,
		body: obj{"required": []string{operation}, "missing": []string{operation}},
	}
}

func htmlPage(status int, title string) answer {
	return answer{
		status: status, message: title,
		html: "<!DOCTYPE html>\n<html>\n  <head><title>" + title + "</title></head>\n  <body><h1>" + title + "</h1></body>\n</html>\n",
	}
}

// unknownRoute: HTML for the private API, the public form under /api (api.md §2).
func unknownRoute(r *http.Request) answer {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return publicError(http.StatusNotFound, "Public api endpoint '"+strings.TrimPrefix(r.URL.Path, "/api")+"' not found")
	}
	return htmlPage(http.StatusNotFound, "Action Not Found")
}

func (f *Fault) answer(status int) answer {
	if f.Status != 0 {
		status = f.Status
	}
	a := refusal(status, http.StatusText(status))
	if f.Body != "" {
		a = answer{status: status, encoded: []byte(f.Body), message: f.Body}
		if strings.HasPrefix(strings.TrimSpace(f.Body), "<") {
			a.html = f.Body
		}
	}
	a.header = f.Header
	return a
}

func (f *Fault) page(status int) answer {
	if f.Status != 0 {
		status = f.Status
	}
	title := "Sign in to Domino"
	if status != http.StatusOK {
		title = strconv.Itoa(status) + " " + http.StatusText(status)
	}
	a := htmlPage(status, title)
	if f.Body != "" {
		a.html = f.Body
	}
	a.header = f.Header
	return a
}

func (a *answer) encode() {
	switch {
	case a.encoded != nil:
	case a.html != "":
		a.encoded = []byte(a.html)
	case a.body != nil:
		b, err := json.Marshal(a.body)
		if err != nil {
			panic("dominosim: encode answer: " + err.Error())
		}
		a.encoded = b
	}
}

// writeHeader sets what the recorded answers had and a client might look at (api.md §1).
func (a *answer) writeHeader(h http.Header) {
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate, max-age=0")
	h.Set("Domino-Server", "nginx-ingress,nucleus,")
	if a.html != "" {
		h.Set("Content-Type", "text/html; charset=utf-8")
	} else if len(a.encoded) > 0 {
		h.Set("Content-Type", "application/json")
	}
	for k, v := range a.header {
		h.Set(k, v)
	}
}
