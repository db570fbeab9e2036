package config

import (
	"fmt"
	"regexp"
	"strings"
)

// groups are the headings of the reference in their order, with a sentence on what they have in common.
var groups = []struct{ key, title, text string }{
	{"run", "The run", "What to do, and for how long."},
	{"domino", "Domino", "Where Domino is and who asks. The names are those of the tool that dmm replaces, so that what was set for it works unchanged."},
	{"store", "The store", "Where snapshots and windows are kept. Credentials for it are not settings of dmm: they come from where the storage service's own tools look for them, such as the role of the pod."},
	{"cluster", "The cluster", "dmm asks Kubernetes what pods there are and writes Events on its own Job. It does without where it may not, and says so."},
	{"touch", "What to touch", "Lists are separated by commas. A shutdown with a filter is on record as such: restore undoes what was done, and a filter on restore can only narrow that. " +
		"What an excluding setting names stays out, even if another one names it too."},
	{"notify", "Telling users", "By notifications in Domino. What was told is on record in the window: a Job that runs again tells nothing twice, and restore withdraws it."},
	{"pace", "Pace", "How fast, and how long to wait."},
	{"journal", "The journal", "How runs keep out of each other's way, and how long doubt lasts. The defaults are right unless a test says otherwise."},
	{"output", "Output", "Standard output carries the result and nothing else. Logs and progress go to standard error."},
	{"simulate", "The simulator", "For trying things out without a Domino."},
}

// Reference renders the reference of all settings as Markdown, with sections appended to it by the caller, each of which
// begins with its own heading.
func Reference(sections ...string) string {
	var b strings.Builder
	b.WriteString(`# Settings

Every setting is an environment variable, because that is all a Kubernetes Job can set. People have a flag for each as well.

## How a value is found

- The flag comes first, then the environment, then the default.
- A variable's flag is its name in lower case with dashes and without ` + "`DMM_`: `DMM_LOCK_WAIT` is `--lock-wait`, and `DOMINO_CA_FILE` is `--domino-ca-file`. " +
		"The one exception is `DMM_SIM_CONFIG`, which is `--config`." + `
- Keys and tokens have no flag: a command line can be read by everybody on the machine. Nor has the mode, which is the first argument.
- An empty value counts as not set. A flag given empty, as in ` + "`--kinds=`" + `, takes back what the environment says.
- Durations have a unit: ` + "`80s`, `10m`, `1h30m`, `90d`." + ` Yes and no are ` + "`true` and `false`" + `; a flag alone means ` + "`true`" + `.
- Lists are separated by commas, and the flag of a list may be given several times.
- All faults are reported at once, each with its variable, and the exit code is 2. Nothing has been touched then.
- A variable that begins with ` + "`DMM_`" + ` and is not listed here is ignored with a warning, but for those that Kubernetes sets for a Service named ` + "`dmm`" + `.

The settings that hold a key, token or password are never printed. Put none into a URL.
`)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| variable | flag | default | meaning | modes |\n| --- | --- | --- | --- | --- |\n", g.title, g.text)
		for _, s := range settings() {
			if s.Group == g.key {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(s.Variable), code(s.Flag), code(s.Default), markdown(s.Doc), s.Modes)
			}
		}
	}
	for _, s := range sections {
		b.WriteString("\n" + strings.TrimSpace(s) + "\n")
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

var (
	quoted   = regexp.MustCompile(`(^|[ (])'([^']+)'`) // not the apostrophe of "Domino's"
	variable = regexp.MustCompile(`\b(DMM|DOMINO|AWS)_[A-Z0-9_]+(=\w+)?`)
)

// markdown renders the doc of a setting for a cell of a table.
func markdown(doc string) string {
	doc = strings.ReplaceAll(doc, "|", `\|`)
	doc = variable.ReplaceAllString(doc, "`$0`")
	return quoted.ReplaceAllString(doc, "$1`$2`")
}
