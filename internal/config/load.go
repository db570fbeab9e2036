package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/pflag"
)

// Load reads every setting: from flags that were given, else from environ ("NAME=value" as [os.Environ] has it), else
// its default. White space around a value is dropped, and a value that is then empty counts as not set; a flag given empty
// (--kinds=) unsets its variable. flags may be nil; flags that are not of [AddFlags] are ignored.
//
// The error joins a *[Fault] for each value that does not parse. The Config is never nil: what did not
// parse has its default, so that Validate can be asked for the other faults and all of them shown at once. Whether the
// values make sense is asked by [Config.Validate] alone.
//
// Warnings name variables that look like ours and are not, and settings that are allowed but seldom meant.
func Load(environ []string, flags *pflag.FlagSet) (*Config, []Warning, error) {
	env := parse(environ)
	c := new(Config)
	v := reflect.ValueOf(c).Elem()
	var faults []error
	for _, s := range settings() {
		text := find(s, env, flags)
		if text == "" {
			text = s.Default
		}
		if text == "" {
			continue
		}
		if err := decode(v.Field(s.field), text); err != nil {
			faults = append(faults, parseFault(s, text))
			if s.Default != "" {
				_ = decode(v.Field(s.field), s.Default) // a test decodes every default
			}
		}
	}
	c.normalise()
	return c, append(unknown(env), c.warnings()...), errors.Join(faults...)
}

// find returns the text given for a setting, or "".
func find(s Setting, env map[string]string, flags *pflag.FlagSet) string {
	if flags != nil && s.Flag != "" {
		if f := flags.Lookup(strings.TrimPrefix(s.Flag, "--")); f != nil && f.Changed {
			return strings.TrimSpace(f.Value.String())
		}
	}
	return strings.TrimSpace(env[s.Variable])
}

func parse(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if _, ok := env[name]; !ok { // of two alike the first holds, as in os.Getenv
			env[name] = value
		}
	}
	return env
}

// decode sets field to text by envconfig's rules.
//
// envconfig has no call for one value; it decodes what stands in the process's environment or in a default tag. So it is
// given a struct of one field with the text as its default, under a name that no environment can hold ("="), and what it
// finds does not depend on the process. A secret does not pass through it: its errors print the value, and the tag
// would outlive the call in the runtime's table of types.
func decode(field reflect.Value, text string) error {
	if s, ok := field.Addr().Interface().(*Secret); ok {
		*s = NewSecret(text)
		return nil
	}
	if field.Type() == reflect.TypeFor[time.Duration]() {
		text = hours(text)
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value",
		Type: field.Type(),
		Tag:  reflect.StructTag(fmt.Sprintf(`envconfig:"=" default:%q`, text)),
	}}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return err
	}
	field.Set(one.Elem().Field(0))
	return nil
}

// hours turns the days at the beginning of a duration into hours: Go has no unit for a day, since clocks change in some
// of them. What is counted in days here is the age of records, where an hour does not matter.
func hours(text string) string {
	days, rest, found := strings.Cut(text, "d")
	if n, err := strconv.ParseInt(days, 10, 32); found && err == nil {
		return strconv.FormatInt(24*n, 10) + "h" + rest
	}
	return text
}

// parseFault says what was expected, in place of envconfig's own words ("converting '80' to type time.Duration").
func parseFault(s Setting, text string) *Fault {
	var what, hint string
	switch s.Type {
	case "duration":
		what, hint = "a duration", "give a number with its unit, such as 80s, 10m, 1h30m or 90d"
	case "bool":
		what, hint = "true or false", "give true or false"
	case "int":
		what, hint = "a whole number", "give digits only, such as "+s.Default
	default:
		what, hint = "a "+s.Type, "see the reference of the settings"
	}
	return fault(s.Variable, hint, "%s is not %s", quote(text), what)
}

// normalise brings what is meant alike into one form: lists without blanks and empty elements, closed lists of values
// in the spelling of this package, a URL without the slash at its end.
func (c *Config) normalise() {
	v := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		switch p := v.Field(s.field).Addr().Interface().(type) {
		case *[]string:
			var list []string
			for _, e := range *p {
				if e = strings.TrimSpace(e); e != "" {
					list = append(list, canonical(s.Values, e))
				}
			}
			*p = list
		case *string:
			*p = canonical(s.Values, *p)
		}
	}
	c.Hostname = strings.TrimRight(c.Hostname, "/")
}

// canonical returns the one of values that text is, whatever its case, or text itself.
func canonical(values []string, text string) string {
	for _, v := range values {
		if strings.EqualFold(v, text) {
			return v
		}
	}
	return text
}
