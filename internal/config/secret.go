package config

import "log/slog"

// hidden stands for a secret wherever one would be printed.
const hidden = "[secret]"

// Secret is a key or a token that does not print itself: fmt, JSON, text encodings and slog show "[secret]", or
// nothing when it is empty. The zero value is the empty secret.
//
// It is a pointer in a struct and not a string because fmt asks no method of a value that lies in an unexported
// field, nor for a verb that does not fit, such as %d: it would print a string then, and prints an address here.
type Secret struct{ value *string }

// NewSecret makes a secret of a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself. Call it where the text is used and nowhere else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero says whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares the texts; go-cmp uses it.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString keeps the text out of %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps the text out of JSON, XML and YAML, as values and as keys of maps.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON keeps the text out of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// UnmarshalText takes the text in. envconfig knows a value of one variable by this method; without it, it would look
// for settings inside the struct.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// LogValue keeps the text out of slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
