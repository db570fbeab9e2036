// Package draw decides how often a test draws that could draw for hours. make test draws a sample, which takes seconds, and says in
// its last lines that it was one. The targets that it names there draw all, and .ci/run runs those.
package draw

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

// variable is "all", or how many samples are drawn in place of one.
const variable = "DMM_TEST_DRAW"

// All reports whether all is drawn.
func All() bool { return os.Getenv(variable) == "all" }

// samples returns how many are drawn in place of one.
func samples(t testing.TB) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is neither all nor a number", variable, text)
	}
	return n
}

// Sample returns few, or all where all is drawn. Of a sample it says what is drawn, and the target that draws all.
func Sample(t testing.TB, few, all int, what, target string) int {
	t.Helper()
	if All() {
		return all
	}
	few = min(few*samples(t), all)
	t.Attr("sampled", fmt.Sprintf("%d of %d %s (make %s: all)", few, all, what, target))
	return few
}

// Every returns the distance between two cases that are drawn, which is 1 where all are. It serves where nobody knows their number
// beforehand.
func Every(t testing.TB, apart int, what, target string) int {
	t.Helper()
	if All() {
		return 1
	}
	apart = max(apart/samples(t), 1)
	t.Attr("sampled", fmt.Sprintf("one of %d %s (make %s: all)", apart, what, target))
	return apart
}
