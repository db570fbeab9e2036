package execution

// The folds of Domino's vocabularies, for the tables of states_test.go.
var (
	AppState       = appState
	ModelState     = modelState
	WorkspaceWord  = workspaceWord
	WorkspaceState = workspaceState
)
