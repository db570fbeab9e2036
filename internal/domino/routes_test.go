package domino

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRoutesAreAllThatIsCalled holds the table against the sources: a route that is called and not in it would go unchecked.
func TestRoutesAreAllThatIsCalled(t *testing.T) {
	inTable := map[string]bool{}
	for _, r := range Routes {
		inTable[placeholder.ReplaceAllString(r.Path, "{}")] = true
		if _, query, _ := r.fill(map[string]string{}); r.query != "" && len(query) == 0 {
			t.Errorf("%s %s: query %q does not parse", r.Method, r.Path, r.query)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	call := regexp.MustCompile(`"(/(?:v4|api|models|version)\b[^" ]*)"`)
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") || f == "routes.go" {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(string(source), -1) {
			called[m[1]] = true
			if !inTable[m[1]] {
				t.Errorf("%s calls %s, which is not among Routes", f, m[1])
			}
		}
	}
	for path := range inTable {
		if !called[path] {
			t.Errorf("%s is among Routes and not called", path)
		}
	}
}
