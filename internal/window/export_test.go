package window

// Kill stops the heartbeats of a run without a word, as the death of its process would.
func (r *Run) Kill() {
	r.stop.Do(func() { close(r.stopBeats) })
	r.beats.Wait()
}

// ParseEntry is parseEntry for the fuzz test.
var ParseEntry = parseEntry
