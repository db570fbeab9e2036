package snapshot

// The decoders, for the fuzz tests.
var (
	ParseManifest = parseManifest
	ParseData     = parseData
)
