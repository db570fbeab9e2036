package domino

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// decodeList reads a list from r, one element at a time: an array, or an object with the array in field. It hands each
// element to row, and returns the object's other fields. array tells which it was. An element that does not parse is
// row's affair; broken JSON ends the list with an error.
func decodeList(r io.Reader, field string, row func(json.RawMessage)) (rest map[string]json.RawMessage, array bool, err error) {
	d := json.NewDecoder(r)
	defer func() {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}()
	opening, err := d.Token()
	if errors.Is(err, io.EOF) {
		return nil, false, errors.New("it is empty")
	}
	if err != nil {
		return nil, false, err
	}
	switch {
	case opening == json.Delim('['):
		if err := decodeElements(d, row); err != nil {
			return nil, true, err
		}
		array = true
	case opening == json.Delim('{') && field != "":
		if rest, err = decodeEnvelope(d, field, row); err != nil {
			return nil, false, err
		}
	default:
		return nil, false, errors.New("it is not a list")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is more after the list")
		}
		return nil, array, err
	}
	return rest, array, nil
}

// decodeEnvelope reads the rest of an object whose opening brace has been read.
func decodeEnvelope(d *json.Decoder, field string, row func(json.RawMessage)) (map[string]json.RawMessage, error) {
	rest := map[string]json.RawMessage{}
	found := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if key != field {
			var v json.RawMessage
			if err := d.Decode(&v); err != nil {
				return nil, err
			}
			rest[key.(string)] = v
			continue
		}
		opening, err := d.Token()
		if err != nil {
			return nil, err
		}
		if opening != json.Delim('[') {
			return nil, fmt.Errorf("its field %s is not a list", field)
		}
		if err := decodeElements(d, row); err != nil {
			return nil, err
		}
		found = true
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("it has no field %s", field)
	}
	return rest, nil
}

// decodeElements reads the rest of an array whose opening bracket has been read.
func decodeElements(d *json.Decoder, row func(json.RawMessage)) error {
	for d.More() {
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		row(v)
	}
	_, err := d.Token() // the closing bracket
	return err
}

// rows collects the elements of a list, good and bad.
type rows[W, T any] struct {
	what  string
	value func(W) (T, error)
	from  int // number of rows before these

	good []T
	bad  []RowError
	n    int
}

func (r *rows[W, T]) add(raw json.RawMessage) {
	r.n++
	var w W
	err := json.Unmarshal(raw, &w)
	if err == nil {
		var v T
		if v, err = r.value(w); err == nil {
			r.good = append(r.good, v)
			return
		}
	}
	r.bad = append(r.bad, RowError{What: r.what + " " + rowName(raw, r.from+r.n), Err: err})
}

// rowName names a row that does not parse: by its id if it can be found, else by its place, counted from one.
func rowName(raw json.RawMessage, n int) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		for _, key := range []string{"id", "workspaceId", "projectId"} {
			var v id
			if json.Unmarshal(fields[key], &v) == nil && v != "" {
				return cut(clean(string(v)), 80)
			}
		}
	}
	return "row " + strconv.Itoa(n)
}

// wholeList reads a list that Domino sends in one piece: an array, or an object with the array in field.
func wholeList[W, T any](ctx context.Context, c *Client, r request, what, field string, value func(W) (T, error)) ([]T, []RowError, error) {
	r.whole = true
	var got rows[W, T]
	err := c.read(ctx, r, func(body io.Reader) error {
		got = rows[W, T]{what: what, value: value} // a try before this one may have left some
		_, _, err := decodeList(&bounded{body, maxList}, field, got.add)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return got.good, c.redactRows(got.bad), nil
}

func (c *core) redactRows(bad []RowError) []RowError {
	for i := range bad {
		bad[i].What, bad[i].Err = c.auth.redact(bad[i].What), c.auth.redactError(bad[i].Err)
	}
	return bad
}

// pages is a list that comes in pages.
type pages[W, T any] struct {
	what, field string
	value       func(W) (T, error)
	id          func(T) string
	request     func(page, offset int) request // page counts from zero, offset counts rows
	total       string                         // the field with the number of rows, "" if there is none
	exact       bool                           // more rows than the total are a disagreement too, not only fewer
	size        int                            // rows asked for
	sizeField   string                         // the field with the number of rows that the server will send at most
	// arrayIsWhole: an answer that is an array is the whole list.
	arrayIsWhole bool
	// again looks at the first page and may ask for it once more, by another request.
	again func(pageInfo) bool
}

// pageInfo is what a page says about itself. Numbers that it does not say are -1, size 0.
type pageInfo struct {
	rows, start, size, total int
	array                    bool
}

const (
	maxPasses = 3
	// maxPages only keeps a server that numbers its rows anew each time from being read for ever.
	maxPages = 100_000
)

// paged reads a list in pages. Totals of Domino's lists are not reliable, nor are rows where they were a page before
// (api.md §3): a pass ends with a page that is empty, brings nothing new, or is short when the total is reached; rows
// are told apart by id. A pass that finds fewer rows than the total is repeated, and so is one without a total whose
// pages overlapped: where a row came twice another may have slipped through between. If none finds all, what any of them
// found is returned, with a RowError that says so.
func paged[W, T any](ctx context.Context, c *Client, p pages[W, T]) ([]T, []RowError, error) {
	union := newPass[T]()
	for n := 1; ; n++ {
		pass, err := onePass(ctx, c, p)
		if err != nil {
			return nil, nil, err
		}
		if pass.agrees(p.exact) {
			return pass.good, c.redactRows(pass.bad), nil
		}
		union.merge(pass, p.id)
		if n == maxPasses {
			err := fmt.Errorf("%d rows found in the last of %d scans, while Domino counts %d", len(pass.good)+len(pass.bad), n, pass.total)
			if pass.total < 0 {
				err = fmt.Errorf("in each of %d scans its pages overlapped, and Domino gives no number of rows to check them against", n)
			}
			union.bad = append(union.bad, RowError{What: p.what + " list", Err: err})
			return union.good, c.redactRows(union.bad), nil
		}
	}
}

// pass is what one reading of all pages found.
type pass[T any] struct {
	good  []T
	bad   []RowError
	seen  map[string]int // id: index in good
	known map[string]bool
	total int // -1: Domino gave none
	// overlapped: a page began with rows of the one before.
	overlapped bool
}

func newPass[T any]() *pass[T] {
	return &pass[T]{seen: map[string]int{}, known: map[string]bool{}, total: -1}
}

// add takes rows that are new, and the newer state of those that are not. It returns how many were new.
func (p *pass[T]) add(good []T, bad []RowError, id func(T) string) int {
	fresh := 0
	for _, v := range good {
		if i, ok := p.seen[id(v)]; ok {
			p.good[i] = v
			continue
		}
		p.seen[id(v)] = len(p.good)
		p.good = append(p.good, v)
		fresh++
	}
	for _, e := range bad {
		if !p.known[e.What] {
			p.known[e.What] = true
			p.bad = append(p.bad, e)
			fresh++
		}
	}
	return fresh
}

func (p *pass[T]) merge(q *pass[T], id func(T) string) { p.add(q.good, q.bad, id) }

// agrees reports whether the rows add up to the total, or without one came once each.
func (p *pass[T]) agrees(exact bool) bool {
	n := len(p.good) + len(p.bad)
	if p.total < 0 {
		return !p.overlapped
	}
	return n == p.total || n > p.total && !exact
}

func onePass[W, T any](ctx context.Context, c *Client, p pages[W, T]) (*pass[T], error) {
	all := newPass[T]()
	offset := 0
	for page := 0; page < maxPages; page++ {
		got, info, err := onePage(ctx, c, p, page, offset)
		if err != nil {
			return nil, err
		}
		if page == 0 && p.again != nil && p.again(info) {
			if got, info, err = onePage(ctx, c, p, page, offset); err != nil {
				return nil, err
			}
		}
		fresh := all.add(got.good, got.bad, p.id)
		all.overlapped = all.overlapped || page > 0 && fresh > 0 && fresh < info.rows
		if info.array && p.arrayIsWhole {
			return all, nil
		}
		if info.total >= 0 {
			all.total = info.total
		}
		offset += info.rows
		short := info.rows < max(p.size, 1)
		if info.size > 0 {
			short = info.rows < info.size
		}
		if info.rows == 0 || fresh == 0 || short && all.total >= 0 && len(all.good)+len(all.bad) >= all.total {
			return all, nil
		}
	}
	return nil, fmt.Errorf("list %s: no end after %d pages", p.what, maxPages)
}

func onePage[W, T any](ctx context.Context, c *Client, p pages[W, T], page, offset int) (rows[W, T], pageInfo, error) {
	var (
		got  rows[W, T]
		info pageInfo
	)
	r := p.request(page, offset)
	r.whole = p.arrayIsWhole
	err := c.read(ctx, r, func(body io.Reader) error {
		got = rows[W, T]{what: p.what, value: p.value, from: offset}
		rest, array, err := decodeList(&bounded{body, maxList}, p.field, got.add)
		info = pageInfo{
			rows: got.n, array: array,
			start: number(rest["startIndex"], -1), size: number(rest[p.sizeField], 0), total: number(rest[p.total], -1),
		}
		return err
	})
	return got, info, err
}

// number is v as an integer, or missing.
func number(v json.RawMessage, missing int) int {
	n := integer(missing)
	if len(v) == 0 || string(v) == "null" || json.Unmarshal(v, &n) != nil {
		return missing
	}
	return int(n)
}
