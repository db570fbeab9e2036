// Package spectest holds what clients ask and what the simulator answers against Domino's own OpenAPI documents. The
// documents are not ours to publish: they are read from the folder that DMM_OPENAPI_DIR names, and without it nothing is
// checked, and said so.
//
// They were made for display. Where something known about Domino contradicts them, or they contradict each other, the
// table of departures (departures.go) says what is not held against them, and why.
package spectest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// files are the documents there are, by version. A version without one is held against the nearest older.
var files = []struct{ version, file string }{
	{"5.5", "5.5.2.json"}, {"5.9", "5.9.1.json"}, {"5.11", "5.11.1.json"}, {"6.1", "6.1.json"}, {"6.2", "6.2.json"}, {"6.3", "6.3.json"},
}

// Versions are those that have a document of their own.
func Versions() []string {
	var out []string
	for _, f := range files {
		out = append(out, f.version)
	}
	return out
}

// Dir is the folder of the documents. It is empty if there is none.
func Dir() string { return os.Getenv("DMM_OPENAPI_DIR") }

// A Check is one exchange of a client with a Domino of a version (dominosim.Config.OnExchange). The answer is not
// looked at if status is 0 (a fault took its place).
type Check = func(version string, r *http.Request, body []byte, status int, header http.Header, answer []byte)

var unset sync.Once

// Watch checks every exchange that it is told of, and fails t for each violation. It is nil, and says so once, without
// documents. What has been checked once in a process in the same shape is not checked again: a shape is which fields there
// are and of what type, in all that the exchange holds.
func Watch(t testing.TB) Check { return watch(t, false) }

// Answers is Watch for tests whose requests are not a client's.
func Answers(t testing.TB) Check { return watch(t, true) }

func watch(t testing.TB, answersOnly bool) Check {
	t.Helper()
	if Dir() == "" {
		unset.Do(func() { t.Log("DMM_OPENAPI_DIR is not set: nothing is held against Domino's specifications") })
		return nil
	}
	var told sync.Map
	return func(version string, r *http.Request, body []byte, status int, header http.Header, answer []byte) {
		if version == "" { // a release that nobody knows
			return
		}
		for _, v := range check(version, r, body, status, header, answer, answersOnly) {
			if _, again := told.LoadOrStore(v, true); again {
				continue
			}
			t.Errorf("against Domino's specification of %s", v)
		}
	}
}

// A document is one specification. To read one whole with all its schemas takes seconds, so that each operation is read
// by itself, with the schemas that it needs, when it is first asked for.
type document struct {
	file       string
	components map[string]map[string]json.RawMessage // by section and name
	operations map[string]*operation                 // by method and template
	byMethod   map[string][]*operation
}

// An operation is made strict: what it does not declare is a violation.
type operation struct {
	method, path string // with the prefix that the private document leaves out
	pattern      *regexp.Regexp
	raw          json.RawMessage
	document     *document

	once sync.Once
	err  error
	*openapi3.Operation
}

var (
	mu        sync.Mutex
	documents = map[string]*document{}
	judged    sync.Map // what is wrong, []violation by judgement
	found     sync.Map // *operation by asked; nil if there is none
	seed      = maphash.MakeSeed()
	braces    = regexp.MustCompile(`\{[^}]*\}`)
)

// template makes two spellings of a path equal: names of parameters do not count.
func template(path string) string { return braces.ReplaceAllString(path, "{}") }

// of are the documents that a version is held against: its own, or those of its neighbours. What a version between two of
// them is like nobody knows: it must be as one of the two has it.
func of(version string) ([]*document, error) {
	near := []string{files[0].file}
	for _, f := range files {
		switch {
		case f.version == version:
			near = []string{f.file}
		case older(f.version, version):
			near = []string{f.file}
			continue
		case len(near) == 1 && older(files[0].version, version):
			near = append(near, f.file)
		}
		break
	}
	var out []*document
	for _, file := range near {
		d, err := load(file)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func load(file string) (*document, error) {
	mu.Lock()
	defer mu.Unlock()
	if d := documents[file]; d != nil {
		return d, nil
	}
	text, err := os.ReadFile(filepath.Join(Dir(), file))
	if err != nil {
		return nil, err
	}
	var spec struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	d := &document{file: file, components: spec.Components, operations: map[string]*operation{}, byMethod: map[string][]*operation{}}
	for path, item := range spec.Paths {
		// The private document leaves out /v4, but for the routes of model deployments (api.md §1).
		if !strings.HasPrefix(path, "/v4/") && !strings.HasPrefix(path, "/api/") {
			path = "/v4" + path
		}
		pattern := regexp.MustCompile("^" + braces.ReplaceAllString(strings.ReplaceAll(path, ".", `\.`), "[^/]+") + "$")
		for method, raw := range item {
			o := &operation{method: strings.ToUpper(method), path: path, pattern: pattern, raw: raw, document: d}
			d.operations[o.method+" "+template(path)] = o
			d.byMethod[o.method] = append(d.byMethod[o.method], o)
		}
	}
	for _, all := range d.byMethod { // the most literal path first
		slices.SortFunc(all, func(a, b *operation) int {
			return cmp.Or(strings.Count(a.path, "{")-strings.Count(b.path, "{"), strings.Compare(a.path, b.path))
		})
	}
	documents[file] = d
	return d, nil
}

var unsupported = regexp.MustCompile(`^property "(.*)" is unsupported$`)

var reference = regexp.MustCompile(`"#/components/([^/"]+)/([^"]+)"`)

// read reads the operation with all that it refers to.
func (o *operation) read() error {
	o.once.Do(func() {
		needed := map[string]map[string]json.RawMessage{}
		for todo := []json.RawMessage{o.raw}; len(todo) > 0; {
			raw := todo[0]
			todo = todo[1:]
			for _, m := range reference.FindAllSubmatch(raw, -1) {
				section, name := string(m[1]), string(m[2])
				if needed[section] == nil {
					needed[section] = map[string]json.RawMessage{}
				}
				if _, there := needed[section][name]; !there {
					needed[section][name] = o.document.components[section][name]
					todo = append(todo, needed[section][name])
				}
			}
		}
		text, err := json.Marshal(map[string]any{
			"openapi": "3.0.0", "info": map[string]string{"title": o.document.file, "version": "0"}, "components": needed,
			"paths": map[string]any{"/": map[string]any{strings.ToLower(o.method): o.raw}},
		})
		if err != nil {
			o.err = err
			return
		}
		spec, err := openapi3.NewLoader().LoadFromData(text)
		if err != nil {
			o.err = fmt.Errorf("read %s %s of %s: %w", o.method, o.path, o.document.file, err)
			return
		}
		o.Operation = spec.Paths.Value("/").GetOperation(o.method)
		strict := &strictness{seen: map[*openapi3.Schema]bool{}}
		for _, p := range o.Parameters {
			strict.schema(p.Value.Schema)
		}
		if b := o.RequestBody; b != nil {
			strict.content(b.Value.Content)
		}
		for _, r := range o.Responses.Map() {
			strict.content(r.Value.Content)
		}
	})
	return o.err
}

// older compares versions x.y.
func older(a, b string) bool {
	number := func(v string) int {
		major, minor, _ := strings.Cut(v, ".")
		x, _ := strconv.Atoi(major)
		y, _ := strconv.Atoi(minor)
		return 1000*x + y
	}
	return number(a) < number(b)
}

// strictness forbids what schemas do not declare, which they leave open. The parts of an allOf each declare but a part.
type strictness struct{ seen map[*openapi3.Schema]bool }

func (s *strictness) content(c openapi3.Content) {
	for _, media := range c {
		s.schema(media.Schema)
	}
}

func (s *strictness) schema(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || s.seen[ref.Value] {
		return
	}
	v := ref.Value
	s.seen[v] = true
	if len(v.AllOf) > 0 {
		whole := openapi3.NewObjectSchema()
		for _, part := range v.AllOf {
			maps.Copy(whole.Properties, part.Value.Properties)
			whole.Required = append(whole.Required, part.Value.Required...)
		}
		maps.Copy(whole.Properties, v.Properties)
		whole.Required = append(whole.Required, v.Required...)
		whole.Nullable = v.Nullable
		*v = *whole
	}
	if ap := v.AdditionalProperties; len(v.Properties) > 0 && ap.Has == nil && ap.Schema == nil {
		v.AdditionalProperties = openapi3.AdditionalProperties{Has: openapi3.Ptr(false)}
	}
	for _, p := range v.Properties {
		s.schema(p)
	}
	s.schema(v.Items)
	s.schema(v.AdditionalProperties.Schema)
	for _, one := range slices.Concat(v.OneOf, v.AnyOf) {
		s.schema(one)
	}
}

// Declares reports whether the document of a version has a route. Names of parameters do not count.
func Declares(version, method, path string) (bool, error) {
	all, err := of(version)
	return slices.ContainsFunc(all, func(d *document) bool { return d.operations[method+" "+template(path)] != nil }), err
}

type judgement struct {
	op   *operation
	part string
	hash uint64 // of the text, or of its shape
}

type asked struct {
	document     *document
	method, path string
}

func (d *document) find(r *http.Request) *operation {
	key := asked{d, r.Method, r.URL.Path}
	if o, done := found.Load(key); done {
		return o.(*operation)
	}
	o := d.search(r)
	found.Store(key, o)
	return o
}

func (d *document) search(r *http.Request) *operation {
	for _, o := range d.byMethod[r.Method] {
		if o.pattern.MatchString(r.URL.Path) {
			return o
		}
	}
	return nil
}

func check(version string, r *http.Request, body []byte, status int, header http.Header, answer []byte, answersOnly bool) []string {
	all, err := of(version)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []violation // in every document
	held := false
	for _, d := range all {
		op := d.find(r)
		if op == nil {
			continue
		}
		if err := op.read(); err != nil {
			return []string{err.Error()}
		}
		c := &checking{op: op}
		if !answersOnly {
			c.query(r.URL.Query())
			c.body(body)
		}
		// The shape of an error is not described: DominoApiErrorResponse is nobody's (api.md §2).
		if status >= 200 && status < 300 {
			c.answer(status, header, answer)
		}
		if held {
			c.wrong = slices.DeleteFunc(c.wrong, func(v violation) bool { return !slices.Contains(wrong, v) })
		}
		held, wrong = true, c.wrong
	}
	var out []string
	told := func(part, at, what string) {
		if departs(version, r.Method, r.URL.Path, part, at) == "" {
			out = append(out, fmt.Sprintf("%s: %s %s: %s %s: %s", version, r.Method, r.URL.Path, part, at, what))
		}
	}
	// A client may ask whether a route is there, and a fault may be the answer to that.
	asking := status == http.StatusNotFound || status == 0 && r.Method == http.MethodGet
	if !held && !asking {
		told(partRoute, "", "no specification holds it")
	}
	for _, v := range wrong {
		told(v.part, v.at, v.what)
	}
	return out
}

type violation struct{ part, at, what string }

// checking is one exchange on its way.
type checking struct {
	op    *operation
	wrong []violation
}

func (c *checking) fault(part, at, what string) { c.wrong = append(c.wrong, violation{part, at, what}) }

func (c *checking) query(given url.Values) {
	declared := map[string]*openapi3.Parameter{}
	for _, p := range c.op.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			declared[p.Value.Name] = p.Value
		}
	}
	for name, p := range declared {
		if p.Required && !given.Has(name) {
			c.fault(partQuery, "/"+name, "required and absent")
		}
	}
	for name, values := range given {
		p := declared[name]
		if p == nil {
			c.fault(partQuery, "/"+name, "not declared")
			continue
		}
		if p.Schema == nil {
			continue
		}
		s := p.Schema.Value
		if s.Type.Is(openapi3.TypeArray) {
			s = s.Items.Value
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }) // Play's empty list
		}
		for _, v := range values {
			c.visit(partQuery, "/"+name, s, typed(s, v))
		}
	}
}

// typed is the text of a query as the schema would have it.
func typed(s *openapi3.Schema, text string) any {
	switch {
	case s.Type.Is(openapi3.TypeInteger), s.Type.Is(openapi3.TypeNumber):
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	case s.Type.Is(openapi3.TypeBoolean):
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}

func (c *checking) body(raw []byte) {
	ref := c.op.RequestBody
	if ref == nil {
		if len(raw) > 0 && string(raw) != "null" && string(raw) != "{}" {
			c.fault(partRequest, "", "a body, and none is declared")
		}
		return
	}
	if len(raw) == 0 {
		if ref.Value.Required {
			c.fault(partRequest, "", "no body, and one is required")
		}
		return
	}
	c.media(partRequest, ref.Value.Content, raw)
}

func (c *checking) answer(status int, header http.Header, raw []byte) {
	ref := c.op.Responses.Status(status)
	if ref == nil {
		c.fault(partAnswer, "", fmt.Sprintf("status %d is not declared", status))
		return
	}
	if len(ref.Value.Content) == 0 { // the trimmed copy declares no schema for some
		return
	}
	if len(raw) == 0 {
		c.fault(partAnswer, "", "it is empty")
		return
	}
	if kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind != "application/json" {
		c.fault(partAnswer, "", "content type "+kind)
		return
	}
	c.media(partAnswer, ref.Value.Content, raw)
}

func (c *checking) media(part string, content openapi3.Content, raw []byte) {
	media := content.Get("application/json")
	if media == nil || media.Schema == nil {
		return
	}
	same := judgement{c.op, part, maphash.Bytes(seed, raw)} // most are: the crash matrix begins anew some thousand times
	if wrong, done := judged.Load(same); done {
		c.wrong = append(c.wrong, wrong.([]violation)...)
		return
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		c.fault(part, "", err.Error())
		return
	}
	alike := judgement{c.op, part, shape(v)}
	wrong, done := judged.Load(alike)
	if !done {
		before := len(c.wrong)
		c.visit(part, "", media.Schema.Value, v)
		wrong = slices.Clone(c.wrong[before:])
		c.wrong = c.wrong[:before]
		judged.Store(alike, wrong)
	}
	judged.Store(same, wrong)
	c.wrong = append(c.wrong, wrong.([]violation)...)
}

// visit enters each violation of a schema at the place where it is, places in lists without their number.
func (c *checking) visit(part, at string, s *openapi3.Schema, v any) {
	seen := map[string]bool{}
	var enter func(err error)
	enter = func(err error) {
		if all, isMany := errors.AsType[openapi3.MultiError](err); isMany {
			for _, one := range all {
				enter(one)
			}
			return
		}
		where, what := at, ""
		if one, isSchema := errors.AsType[*openapi3.SchemaError](err); !isSchema {
			what = err.Error()
		} else {
			for _, step := range one.JSONPointer() {
				if _, number := strconv.Atoi(step); number == nil {
					step = "*"
				}
				where += "/" + step
			}
			what = one.Reason
			if m := unsupported.FindStringSubmatch(what); m != nil {
				where, what = where+"/"+m[1], "not declared"
			}
		}
		if !seen[where+what] {
			seen[where+what] = true
			c.fault(part, where, what)
		}
	}
	if err := s.VisitJSON(v, openapi3.MultiErrors()); err != nil {
		enter(err)
	}
}

// shape is the same for values that no schema here can tell apart: the same fields, of the same types, with the same words
// where a word might be one of an enumeration.
func shape(v any) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	switch v := v.(type) {
	case nil:
		_, _ = h.WriteString("null")
	case bool:
		_, _ = h.WriteString("bool")
	case float64:
		_, _ = h.WriteString("number")
	case string:
		_, _ = h.WriteString("string")
		if len(v) <= 32 && !strings.ContainsAny(v, "0123456789") {
			_, _ = h.WriteString(v)
		} else {
			_, _ = h.WriteString(strconv.Itoa(len(v)))
		}
	case []any:
		_, _ = h.WriteString("list")
		kinds := map[uint64]bool{}
		for _, e := range v {
			kinds[shape(e)] = true
		}
		for _, k := range slices.Sorted(maps.Keys(kinds)) {
			maphash.WriteComparable(&h, k)
		}
	case map[string]any:
		_, _ = h.WriteString("object")
		for _, k := range slices.Sorted(maps.Keys(v)) {
			_, _ = h.WriteString(k)
			maphash.WriteComparable(&h, shape(v[k]))
		}
	}
	return h.Sum64()
}
