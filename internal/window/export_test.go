package window

// Kill stops the heartbeats of a run without a word, as the death of its process would.
func (r *Run) Kill() { r.still() }

// ParseEntry is parseEntry for the fuzz test.
var ParseEntry = parseEntry
