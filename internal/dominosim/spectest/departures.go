package spectest

import (
	"regexp"
	"strings"
)

// What a departure is about.
const (
	partRoute   = "route"
	partQuery   = "query"
	partRequest = "request"
	partAnswer  = "answer"
)

// A departure is one place where Domino, as far as it is known, and its documents differ. Source is a section of api.md.
type departure struct {
	from, to string // versions, both included; empty: no limit
	route    string // "METHOD path"; a method may be *, a path may end in *
	part     string // empty: any
	at       string // the place, in which * is an element of a list; ** before or after it is anything; empty: the whole
	why      string
	source   string
}

var departures = []departure{
	// Routes that no document holds, or not those of every version that has them.
	{route: "GET /version", part: partRoute, why: "answers anybody; every client of the vendor's calls it", source: "§4"},
	{route: "GET /health", part: partRoute, why: "of the server and not of the API", source: "§4"},
	{route: "GET /v4/projects", part: partRoute, why: "four clients use it", source: "§6"},
	{route: "GET /models/{modelId}/versions/json", part: partRoute, why: "a route of the web UI", source: "§9"},
	{route: "GET /models/{modelId}/versions/{modelVersionId}/json", part: partRoute, why: "a route of the web UI", source: "§9"},
	{route: "GET /models/{modelId}/activeStatus", part: partRoute, why: "a route of the web UI", source: "§9"},
	{from: "6.3", route: "GET /api/gen-ai/beta/*", part: partRoute, why: "the copy of the public specification of 6.3 is trimmed", source: "§0, §9c"},
	{from: "6.3", route: "POST /api/gen-ai/beta/*", part: partRoute, why: "the same", source: "§0, §9c"},
	{from: "6.3", route: "POST /api/projects/v1/*", part: partRoute, why: "the same", source: "§0, §10"},

	// What only documents say, or not all of them.
	{to: "5.11", route: "GET /v4/modelManager/getModels", part: partAnswer, at: "**/owners/**", why: "a recorded answer of 5.x has {id,name}", source: "§9"},
	{to: "5.11", route: "GET /v4/modelManager/ui/models", part: partAnswer, at: "**/owners/**", why: "the same model, and so the same owners", source: "§9"},
	{route: "GET /v4/modelManager/ui/models", part: partQuery, at: "/pageNumber", why: "page 0 is asked for where page 1 of a list with rows came empty: nobody has seen how the route counts", source: "§9, unverified live"},
	{route: "POST /v4/models/{modelId}/{modelVersionId}/startModelDeployment", part: partAnswer, why: "an object, as recorded for the stop", source: "§9"},
	{route: "POST /v4/models/{modelId}/{modelVersionId}/stopModelDeployment", part: partAnswer, why: "an object, as recorded", source: "§9"},
	{route: "GET /v4/models/{modelId}/{modelVersionId}/getModelDeploymentStatus", part: partAnswer, why: "the same answer as of the stop", source: "§9"},
	{route: "POST /v4/workspace/project/{projectId}/workspace/{workspaceId}/stop", part: partAnswer, why: "it may be empty, as seen live", source: "§10"},
	{to: "5.7", route: "* /v4/projects/{projectId}/scheduledjobs*", part: partAnswer, at: "**/volumeSpecificationOverride", why: "a text when read and an object when written; the recorded object has an object", source: "§12"},
	{from: "5.7", to: "5.7", route: "* /v4/projects/{projectId}/scheduledjobs*", part: partAnswer, at: "**/snapshotDatasetsOnCompletion", why: "at the top in 5.7 alone, of which there is no document", source: "§12, ScheduledJobDto"},
	{route: "* /v4/projects/{projectId}/scheduledjobs*", at: "**/jobTemplate", why: "made up, for a field of a later version: it goes back as it came", source: "§12"},
	{route: "* /v4/projects/{projectId}/scheduledjobs*", at: "**/retryCount", why: "made up, like it", source: "§12"},
	{route: "GET /api/*", part: partAnswer, at: "**/metadata/pagination", why: "required where it is not declared: the parts of PaginatedMetadataV1 have limit and offset themselves, as seen live", source: "§3, §8b"},
	{route: "GET /api/modelServing/v1/modelDeployments*", part: partAnswer, at: "**/deploymentType", why: "required where it is not declared, and declared within configuration", source: "§9c"},
	{from: "5.10", route: "POST /v4/jobs/stop", part: partRequest, at: "/projectId", why: "required up to 5.9, and sent to all: what a version does not read it ignores", source: "§11, §22 item 17"},
	{from: "5.10", route: "POST /v4/jobs/restart", part: partRequest, at: "/projectId", why: "the same", source: "§11"},
	{to: "4.4", route: "GET /v4/hardwareTier", part: partAnswer, why: "a bare array in 4.x", source: "§22 item 18"},
}

// departs is why something is not held against the document of a version, empty if it is.
func departs(version, method, path, part, at string) string {
	for i := range departures {
		d := &departures[i]
		if (d.part == "" || d.part == part) && (d.from == "" || !older(version, d.from)) && (d.to == "" || !older(d.to, version)) &&
			matches(d.route, method+" "+path) && placed(d.at, at) {
			return d.why + " (api.md " + d.source + ")"
		}
	}
	return ""
}

func matches(route, asked string) bool {
	mu.Lock()
	defer mu.Unlock()
	re := compiled[route]
	if re == nil {
		text := braces.ReplaceAllString(strings.ReplaceAll(route, ".", `\.`), "[^/]+")
		if rest, any := strings.CutPrefix(text, "* "); any {
			text = "[A-Z]+ " + rest
		}
		if prefix, open := strings.CutSuffix(text, "*"); open {
			text = prefix + ".*"
		}
		re = regexp.MustCompile("^" + text + "$")
		compiled[route] = re
	}
	return re.MatchString(asked)
}

var compiled = map[string]*regexp.Regexp{}

func placed(at, where string) bool {
	before, anywhere := strings.CutPrefix(at, "**")
	before, below := strings.CutSuffix(before, "**")
	switch {
	case anywhere && below:
		return strings.Contains(where+"/", before)
	case anywhere:
		return strings.HasSuffix(where, before)
	case below:
		return strings.HasPrefix(where, before)
	}
	return at == where
}
