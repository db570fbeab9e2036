package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// serviceLink matches what Kubernetes puts into every pod of a namespace for a Service named dmm, or dmm-anything
// (Domino's model monitor names its own so): DMM_SERVICE_HOST, DMM_SERVICE_PORT, DMM_SERVICE_PORT_<NAME>, and
// DMM_PORT_<n>_TCP with _PROTO, _PORT and _ADDR behind it. DMM_PORT is told by its value, which is a URL.
var serviceLink = regexp.MustCompile(`^DMM_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

var serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)

func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
}

// unknown warns of variables that begin with DMM_ and are no settings: most are misspelt, and a misspelt filter
// stops more than was meant. Of those that begin with DOMINO_ it names only the ones that are nearly a setting,
// since Domino has many variables of that kind of its own. Values are not shown, they may be secret.
func unknown(env map[string]string) []Warning {
	var out []Warning
	for _, name := range slices.Sorted(maps.Keys(env)) {
		ours := strings.HasPrefix(name, "DMM_")
		if !ours && !strings.HasPrefix(name, "DOMINO_") || ours && isServiceLink(name, env[name]) {
			continue
		}
		near, distance := nearest(name)
		switch {
		case distance == 0:
		case distance <= 2, ours && distance <= len(name)/3:
			out = append(out, Warning{Variable: name, Reason: noSuchSetting, Hint: "did you mean " + near + "?"})
		case ours:
			out = append(out, Warning{Variable: name, Reason: noSuchSetting, Hint: "remove it, or look its name up in the reference of the settings"})
		}
	}
	return out
}

const noSuchSetting = "no setting has this name, it is ignored"

// nearest returns the setting whose name takes the fewest edits to become, and their number.
func nearest(name string) (variable string, distance int) {
	distance = -1
	for _, s := range settings() {
		if d := edits(name, s.Variable); distance < 0 || d < distance {
			variable, distance = s.Variable, d
		}
	}
	return variable, distance
}

// NearestFlag returns the flag whose name takes the fewest edits to become, empty if none is near. Both have their dashes.
func NearestFlag(name string) string {
	var flags []string
	for _, s := range settings() {
		if s.Flag != "" {
			flags = append(flags, s.Flag)
		}
	}
	return Nearest(name, flags, len(name)/3)
}

// Nearest returns the name that takes the fewest edits to become, whatever the case of letters, and the first of
// several. It is empty if all take more than a limit.
func Nearest(name string, among []string, limit int) string {
	near, distance := "", limit+1
	for _, one := range among {
		if d := edits(strings.ToLower(name), strings.ToLower(one)); d < distance {
			near, distance = one, d
		}
	}
	return near
}

// edits is the Levenshtein distance of two names: insertions, deletions and substitutions of one byte.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
