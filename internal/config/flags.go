package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags gives fs a flag for every setting that has one. The flags only keep their text: [Load] decodes it, so that
// faults in flags and in the environment are reported together and the same text means the same in both.
func AddFlags(fs *pflag.FlagSet) {
	for _, s := range settings() {
		if s.Flag == "" {
			continue
		}
		f := fs.VarPF(&flagText{kind: s.Type, text: s.Default}, strings.TrimPrefix(s.Flag, "--"), "", usage(s))
		if s.Type == "bool" {
			f.NoOptDefVal = "true" // --dry-run alone
		}
	}
}

func usage(s Setting) string {
	return strings.TrimSuffix(s.Doc, ".") + " [$" + s.Variable + "]"
}

// flagText is the text of one flag. It is a pflag.Value.
type flagText struct {
	kind string // Setting.Type
	text string
	set  bool
}

// Set never refuses: see AddFlags. A list may be given more than once, and grows.
func (t *flagText) Set(text string) error {
	if t.kind == "list" && t.set {
		text = t.text + "," + text
	}
	t.text, t.set = text, true
	return nil
}

func (t *flagText) String() string { return t.text }

// Type is the word that help shows for the value.
func (t *flagText) Type() string {
	if t.kind == "list" {
		return "strings"
	}
	return t.kind
}
