// Package domino is the HTTP API of a Domino deployment, as far as dmm needs it. No other package knows a URL.
//
// A [Client] reads; [Client.WithGate] makes one that may also write. Reads are tried again by the package, writes never
// are: what became of a write is for the caller to find out, and [Error.Lost] and [Error.NotSent] say what is known.
//
// What Domino answers is not described in one place, and differs between releases. Each fact about it that this package
// relies on has its source beside it: "api.md §8" is a section of the project's reference of Domino's API, "op
// getModelProduct" an operation of Domino's own OpenAPI documents. Every field of an answer may be absent or null.
package domino
