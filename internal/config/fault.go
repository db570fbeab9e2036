package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Fault is one thing wrong with one setting. Load and Validate return all there are, joined by [errors.Join].
type Fault struct {
	Variable string // the environment variable, as DMM_STORE
	Flag     string // its flag with the dashes, as --store; empty if it has none
	Reason   string // what was found and why that will not do
	Hint     string // what to type instead
}

// Error is one line: variable, flag, reason, hint.
func (f *Fault) Error() string { return line(f.Variable, f.Flag, f.Reason, f.Hint) }

// Warning is something about a setting that a person should know, but that is no reason not to run.
type Warning struct {
	Variable string
	Flag     string // empty if the variable has none, or is unknown
	Reason   string
	Hint     string
}

// String is one line, made like that of a Fault.
func (w Warning) String() string { return line(w.Variable, w.Flag, w.Reason, w.Hint) }

func line(variable, flag, reason, hint string) string {
	if flag != "" {
		variable += " (" + flag + ")"
	}
	return variable + ": " + reason + "; " + hint
}

// NewFault is a fault of a setting that only shows when the mode runs, as one that names what is not there.
func NewFault(variable, hint, reason string) *Fault { return fault(variable, hint, "%s", reason) }

// fault makes a Fault of a variable that exists, and finds its flag.
func fault(variable, hint, reason string, a ...any) *Fault {
	return &Fault{Variable: variable, Flag: settingOf(variable).Flag, Reason: fmt.Sprintf(reason, a...), Hint: hint}
}

// longestQuote bounds how much of a value a message repeats, in runes.
const longestQuote = 100

// quote shows a value in a message, on one line.
func quote(value string) string {
	if r := []rune(value); len(r) > longestQuote {
		value = string(r[:longestQuote]) + "..."
	}
	return fmt.Sprintf("%q", value)
}

// userinfo is what stands before the host of a URL. It is greedy, since passwords with an @ or a / in them are not rare.
var userinfo = regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*://)?.*@`)

// quoteURL is quote without what may be secret in a URL: user and password, and the query, where signed URLs keep
// their signature.
func quoteURL(value string) string {
	value = userinfo.ReplaceAllString(value, "${1}"+hidden+"@")
	if i := strings.IndexAny(value, "?#"); i >= 0 {
		value = value[:i+1] + "..."
	}
	return quote(value)
}
