package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

var (
	modeNamed = regexp.MustCompile(`\bdmm ([a-z]+(?:-[a-z]+)*)`)
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./][A-Za-z0-9_@%+=:,./-]*$`)
)

// carry gives the commands in a result's next step the flags that this run was given, since without them they mean
// something else: all of them where the mode is the same, those that say which Domino and which store where it is another.
func carry(res *modes.Result, mode *modes.Mode, flags *pflag.FlagSet) string {
	next := res.Next
	found := modeNamed.FindAllStringSubmatchIndex(next, -1)
	var b strings.Builder
	done := 0
	for i, at := range found {
		name := next[at[2]:at[3]]
		if !slices.ContainsFunc(modes.All(), func(m modes.Mode) bool { return m.Name == name }) {
			continue
		}
		rest := next[at[1]:]
		if i+1 < len(found) {
			rest = next[at[1]:found[i+1][0]]
		}
		b.WriteString(next[done:at[1]])
		done = at[1]
		b.WriteString(given(res, mode, name == mode.Name, rest, flags))
	}
	return b.String() + next[done:]
}

// given is what to write behind a mode, if rest already follows.
func given(res *modes.Result, mode *modes.Mode, same bool, rest string, flags *pflag.FlagSet) string {
	var b strings.Builder
	if same {
		for _, a := range flags.Args() {
			b.WriteString(" " + shell(a))
		}
	}
	for _, s := range config.Settings() {
		f := flags.Lookup(strings.TrimPrefix(s.Flag, "--"))
		switch {
		case s.Flag == "" || f == nil || !f.Changed || s.Type == "secret":
		case !same && s.Group != "domino" && s.Group != "store":
		case same && s.Variable == mode.Needs.Argument && flags.NArg() > 0: // it is the argument
		case s.Variable == "DMM_DRY_RUN" && res.Code == exitDone:
		case s.Group == "touch" && strings.HasPrefix(rest, ", without filters"):
		case strings.Contains(rest, s.Flag) || strings.Contains(rest, "longer "+s.Variable):
		case s.Type == "bool" && f.Value.String() == "true":
			b.WriteString(" " + s.Flag)
		case s.Type == "bool" || !plainWord.MatchString(f.Value.String()):
			b.WriteString(" " + s.Flag + "=" + shell(f.Value.String()))
		default:
			b.WriteString(" " + s.Flag + " " + f.Value.String())
		}
	}
	return b.String()
}

// shell quotes a word for a shell, where it needs that.
func shell(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// wantsJSON tells how results are asked for on a command line that could not be parsed.
func wantsJSON(args, environ []string) bool {
	format := lookup(environ, "DMM_OUTPUT")
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--output="); ok {
			format = value
		} else if a == "--output" && i+1 < len(args) {
			format = args[i+1]
		}
	}
	return strings.EqualFold(strings.TrimSpace(format), "json")
}

// refuse writes the result of a run that ended before its mode began.
func refuse(stdout, stderr io.Writer, mode string, err error, next string) int {
	res := modes.NewResult(mode)
	res.Code, res.Message, res.Next = exitUsage, strings.ReplaceAll(err.Error(), "\n", "; "), next
	if err := res.WriteJSON(stdout); err != nil {
		fmt.Fprintf(stderr, "dmm: write the result: %v\n", err)
	}
	return exitUsage
}
