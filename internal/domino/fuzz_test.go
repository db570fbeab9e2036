package domino

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// seeds adds every fixture.
func seeds(f *testing.F, add func([]byte)) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.json", "testdata/errors/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal("no fixtures", err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			add(b)
		}
	}
}

// The stream must see the same elements as a decoder that reads the whole.
func FuzzDecodeList(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, "tableRows") })
	f.Add([]byte(`{"a":1,"models":[1,{"x":[]},null],"b":{"c":[2]}}`), "models")
	f.Add([]byte(`[1,[2],{"a":3}] `), "")
	f.Add([]byte(`[1,2`), "")
	f.Fuzz(func(t *testing.T, body []byte, field string) {
		var rows []json.RawMessage
		rest, array, err := decodeList(bytes.NewReader(body), field, func(raw json.RawMessage) { rows = append(rows, raw) })
		for _, raw := range rows {
			if !json.Valid(raw) {
				t.Errorf("row %q is not JSON", raw)
			}
		}
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("a list was read from what is not JSON: %q", body)
		}
		var want []json.RawMessage
		if array {
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
		} else {
			var o map[string]json.RawMessage
			if err := json.Unmarshal(body, &o); err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(body), "\""+field+"\"") != 1 || strings.Contains(string(body), `\`) {
				return // fields of that name twice: all their rows count
			}
			if err := json.Unmarshal(o[field], &want); err != nil {
				t.Fatal(err)
			}
			if len(rest) != len(o)-1 {
				t.Errorf("%d other fields, want %d", len(rest), len(o)-1)
			}
		}
		if len(rows) != len(want) {
			t.Fatalf("%d rows, want %d", len(rows), len(want))
		}
		for i := range rows {
			if !bytes.Equal(bytes.TrimSpace(rows[i]), bytes.TrimSpace(want[i])) {
				t.Errorf("row %d = %s, want %s", i, rows[i], want[i])
			}
		}
	})
}

// No row may crash a decoder, and none without an id may count as good.
func FuzzRows(f *testing.F) {
	seeds(f, func(b []byte) {
		f.Add(b)
		_, _, _ = decodeList(bytes.NewReader(b), "", func(raw json.RawMessage) { f.Add([]byte(raw)) })
	})
	f.Add([]byte(`{"id":{"value":"x"},"started":"2024-01-02T03:04:05Z","number":3.0}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		decodeRow(t, raw, appWire.value, func(v App) string { return v.ID })
		decodeRow(t, raw, appInstanceWire.value, func(v AppInstance) string { return v.ID })
		decodeRow(t, raw, betaAppWire.value, nil)
		decodeRow(t, raw, modelWire.value, func(v Model) string { return v.ID })
		decodeRow(t, raw, servedVersionWire.value, func(v ModelVersion) string { return v.ID })
		decodeRow(t, raw, pageVersionWire.value, func(v ModelVersion) string { return v.ID })
		decodeRow(t, raw, workspaceRowWire.value, func(v WorkspaceRow) string { return v.ID })
		decodeRow(t, raw, workspaceWire.value, func(v Workspace) string { return v.ID })
		decodeRow(t, raw, sessionWire.value, nil)
		decodeRow(t, raw, scheduledJobWire.value, func(v ScheduledJob) string { return v.ID })
		decodeRow(t, raw, executionWire.value, func(v AdminExecution) string { return v.ID })
		decodeRow(t, raw, projectWire.value, func(v Project) string { return v.ID })
		decodeRow(t, raw, projectEntryWire.value, func(v Project) string { return v.ID })
		decodeRow(t, raw, volumeWire.value, func(v Volume) string { return v.ID })
		_ = bareID(raw)
	})
}

func decodeRow[W, T any](t *testing.T, raw []byte, value func(W) (T, error), id func(T) string) {
	t.Helper()
	r := rows[W, T]{what: "row", value: value}
	r.add(raw)
	if len(r.good)+len(r.bad) != 1 {
		t.Errorf("%d good and %d bad rows of one", len(r.good), len(r.bad))
	}
	if id != nil && len(r.good) == 1 && id(r.good[0]) == "" {
		t.Errorf("a %T without an id counts as good", r.good[0])
	}
	if len(r.bad) == 1 && (r.bad[0].Err == nil || r.bad[0].What == "") {
		t.Errorf("bad row %v has no name or reason", r.bad[0])
	}
}

func FuzzAnswerError(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(500, "application/json", b) })
	f.Add(404, "text/html", []byte("<title>&lt;x&gt;<b>y</b></title>"))
	f.Add(302, "", []byte("/login"))
	a := &authenticator{credential: APIKey(secret)}
	if _, _, err := a.header(); err != nil {
		f.Fatal(err)
	}
	c := &core{auth: a}
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		if status < 300 || status > 599 {
			return
		}
		h := http.Header{"Content-Type": {contentType}, "Location": {string(body)}}
		for _, write := range []bool{false, true} {
			e := c.fail("POST", "/v4/x", answerError(write, "/v4/x", status, h, append([]byte(secret), body...)))
			if e.Kind < KindCredentials || e.Kind > KindHeld {
				t.Errorf("kind = %v", e.Kind)
			}
			if e.Lost() && (!write || e.NotSent()) {
				t.Errorf("Lost with write %v, NotSent %v", write, e.NotSent())
			}
			if n := utf8.RuneCountInString(e.Message); n > maxMessage {
				t.Errorf("message of %d runes", n)
			}
			if strings.ContainsFunc(e.Message, unicode.IsControl) {
				t.Errorf("message %q holds control characters", e.Message)
			}
			if strings.Contains(e.Error(), secret) {
				t.Errorf("the error shows the credential: %v", e)
			}
		}
	})
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"6.1.0", "v5.11", "6.3.0-1+b2", "", "1.", "999999.999999.999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		if v.Raw != s || v.Major < 0 || v.Minor < 0 || v.Patch < 0 {
			t.Errorf("ParseVersion(%q) = %+v", s, v)
		}
		if d, _ := dialectOf(v); !d.Known() {
			t.Errorf("no dialect for %q", s)
		}
	})
}
