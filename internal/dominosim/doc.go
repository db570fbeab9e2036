// Package dominosim is a Domino that is not one: its HTTP API over a model that moves. Tests use it
// in memory (RoundTripper, also inside testing/synctest bubbles) or over a socket (Handler).
//
// Time is the centre of it. Every object keeps its past, and what it will become if nobody interferes,
// as a history of (time, value). A read of one object shows the value at this moment; a list shows the
// model as it was a little while ago (Config.ListLag). Nothing runs in the background: transitions,
// calls that land late and executions that wait for room are worked out from the clock when
// somebody asks.
//
// What is known about Domino, and how well, is in domino/api.md, cited as "api.md §8". Three marks are
// used in the comments of this package:
//
//   - INF: inferred there, not seen on a live deployment.
//   - NOT EVIDENCED: nobody has seen it; the simulator must choose something, and this is the choice.
//   - (*): derived from the history of the vendor's specifications only.
//
// That lists lag, and reads of one object on request, and that a call may land after its client gave up
// are assumptions of ours too (NOT EVIDENCED): they are what a client must survive, not what was measured.
package dominosim
