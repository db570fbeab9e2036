package config

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// Setting describes one field of Config, as its tags have it.
type Setting struct {
	Variable string   // environment variable
	Flag     string   // flag with its dashes; empty if there is none
	Type     string   // string, bool, int, duration, list or secret
	Default  string   // as it would be typed; empty if there is none
	Values   []string // the only values allowed; nil if that is not a closed list
	Group    string   // key of the group it is documented in
	Modes    string   // the modes it matters to, for people
	Doc      string   // its meaning, with 'what is typed' in single quotes

	field int // index in Config
}

// Settings returns every setting in the order of the fields of Config. The slice is the caller's.
func Settings() []Setting { return append([]Setting(nil), settings()...) }

var settings = sync.OnceValue(func() []Setting {
	t := reflect.TypeFor[Config]()
	all := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		s := Setting{
			Variable: f.Tag.Get("envconfig"),
			Type:     typeName(f.Type),
			Default:  f.Tag.Get("default"),
			Group:    f.Tag.Get("group"),
			Modes:    f.Tag.Get("modes"),
			Doc:      f.Tag.Get("doc"),
			field:    i,
		}
		if v := f.Tag.Get("values"); v != "" {
			s.Values = strings.Split(v, ",")
		}
		switch name := f.Tag.Get("flag"); name {
		case "-":
		case "":
			s.Flag = "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s.Variable, "DMM_")), "_", "-")
		default:
			s.Flag = "--" + name
		}
		all = append(all, s)
	}
	return all
})

// settingOf finds a setting by its variable. A name that is not there is a mistake in this package.
func settingOf(variable string) Setting {
	for _, s := range settings() {
		if s.Variable == variable {
			return s
		}
	}
	panic("config: no setting " + variable)
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[[]string]():
		return "list"
	}
	return t.Kind().String()
}
