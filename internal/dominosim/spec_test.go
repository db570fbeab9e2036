package dominosim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What no specification declares, with the section of api.md that is its evidence.
var undeclared = map[string]string{
	"GET /version":                        "§4",
	"GET /health":                         "§4",
	"GET /v4/projects":                    "§6",
	"GET /models/{modelId}/versions/json": "§9",
	"GET /models/{modelId}/versions/{modelVersionId}/json": "§9",
	"GET /models/{modelId}/activeStatus":                   "§9",
}

// Where the simulator answers otherwise than the specification, because a recorded answer does.
var deviations = map[string]string{
	"5.5 GET /v4/modelManager/getModels":                                               "owners have a name, as in a real 5.x answer (§9)",
	"5.5 GET /v4/modelManager/ui/models":                                               "owners have a name, as in a real 5.x answer (§9)",
	"5.5 GET /v4/projects/{projectId}/scheduledjobs":                                   "volumeSpecificationOverride is an object, as recorded (§12) and as the file has it for PUT",
	"5.5 GET /v4/projects/{projectId}/scheduledjobs/{scheduledJobKey}":                 "the same",
	"5.5 PUT /v4/projects/{projectId}/scheduledjobs/{scheduledJobKey}":                 "the same",
	"5.9 GET /v4/modelManager/getModels":                                               "owners have a name, as in a real 5.x answer (§9)",
	"5.9 GET /v4/modelManager/ui/models":                                               "owners have a name, as in a real 5.x answer (§9)",
	"5.11 GET /v4/modelManager/getModels":                                              "owners have a name, as in a real 5.x answer (§9)",
	"5.11 GET /v4/modelManager/ui/models":                                              "owners have a name, as in a real 5.x answer (§9)",
	"6.3 GET /api/gen-ai/beta/endpoints":                                               "the 6.3 copy of the public specification is trimmed (§0)",
	"6.3 GET /api/gen-ai/beta/endpoints/{endpointId}/versions":                         "the same",
	"6.3 GET /api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}":         "the same",
	"6.3 POST /api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}/start":  "the same",
	"6.3 POST /api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}/stop":   "the same",
	"6.3 POST /api/projects/v1/projects/{projectId}/workspaces/{workspaceId}/sessions": "the 6.3 copy of the public specification is trimmed (§0)",
}

type spec struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Nullable   bool              `json:"nullable"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
	OneOf      []schema          `json:"oneOf"`
	AnyOf      []schema          `json:"anyOf"`
	AllOf      []schema          `json:"allOf"`
}

// check walks a value along its schema: required properties, no undeclared ones, types, enumerations.
func (sp *spec) check(s schema, v any, at string, fault func(at, what string)) {
	for s.Ref != "" {
		s = sp.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	if v == nil {
		if !s.Nullable && (s.Type != "" || len(s.AllOf) > 0) {
			fault(at, "null")
		}
		return
	}
	if choices := slices.Concat(s.OneOf, s.AnyOf); len(choices) > 0 {
		for _, choice := range choices {
			fits := true
			sp.check(choice, v, at, func(string, string) { fits = false })
			if fits {
				return
			}
		}
		fault(at, "fits no alternative")
		return
	}
	if len(s.AllOf) > 0 {
		all := schema{Type: "object", Properties: map[string]schema{}}
		for _, part := range s.AllOf {
			for part.Ref != "" {
				part = sp.Components.Schemas[part.Ref[strings.LastIndex(part.Ref, "/")+1:]]
			}
			for k, p := range part.Properties {
				all.Properties[k] = p
			}
			all.Required = append(all.Required, part.Required...)
		}
		s = all
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		fault(at, "not in the enumeration")
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "" && s.Type != "object" {
			fault(at, "object, want "+s.Type)
			return
		}
		for _, key := range s.Required {
			if _, ok := v[key]; !ok {
				fault(at+"."+key, "required and absent")
			}
		}
		for key, child := range v {
			if p, ok := s.Properties[key]; ok {
				sp.check(p, child, at+"."+key, fault)
			} else if len(s.Properties) > 0 {
				fault(at+"."+key, "not declared")
			}
		}
	case []any:
		if s.Type != "array" {
			fault(at, "array, want "+s.Type)
			return
		}
		for _, child := range v {
			sp.check(*s.Items, child, at+"[]", fault)
		}
	case string:
		if s.Type != "string" && s.Type != "" {
			fault(at, "string, want "+s.Type)
		}
	case float64:
		if s.Type != "number" && s.Type != "integer" {
			fault(at, "number, want "+s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			fault(at, "boolean, want "+s.Type)
		}
	}
}

// find is the declaration of a route; names of parameters do not count, and private paths may lack their prefix.
func (sp *spec) find(rt *route) (string, bool) {
	for _, path := range []string{rt.path, strings.TrimPrefix(rt.path, "/v4")} {
		for declared := range sp.Paths {
			if template(declared) == template(path) {
				if _, ok := sp.Paths[declared][strings.ToLower(rt.method)]; ok {
					return declared, true
				}
			}
		}
	}
	return "", false
}

// TestAgainstSpecifications holds every route of every profile against the vendor's specification of that
// version, in both directions: what the simulator serves is declared, and its answers have all that is required and
// nothing that is not declared; what it withholds in a version is not declared there.
func TestAgainstSpecifications(t *testing.T) {
	dir := os.Getenv("DMM_OPENAPI_DIR")
	if dir == "" {
		t.Skip("DMM_OPENAPI_DIR is not set: the folder with 5.9.1.json, 6.1.json and 6.2.json")
	}
	for name, file := range map[string]string{"5.5": "5.5.2.json", "5.9": "5.9.1.json", "5.11": "5.11.1.json", "6.1": "6.1.json", "6.2": "6.2.json", "6.3": "6.3.json"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			var sp spec
			if err := json.Unmarshal(data, &sp); err != nil {
				t.Fatal(err)
			}
			no := false
			for _, rt := range routes {
				// A system for each route: those before have changed theirs.
				c := newClient(t, Config{
					Profile: name, Seed: 7, EmptyStopBody: &no, StoppedFraction: 0.3,
					Projects: 4, Apps: 10, Models: 6, Workspaces: 12, Schedules: 8, Endpoints: 4, Deployments: 5,
					Jobs: 6, FlowJobs: 1, Builds: 2, Classics: 2,
				})
				c.sim.Set("com.example.key", "value")
				label := rt.method + " " + rt.path
				declared, found := sp.find(rt)
				if !c.sim.profile.has(rt) {
					if found {
						t.Errorf("%s: withheld and declared", label)
					}
					continue
				}
				if undeclared[label] != "" {
					if found {
						t.Errorf("%s: is declared after all", label)
					}
					continue
				}
				if !found && deviations[name+" "+label] != "" {
					continue
				}
				if !found {
					t.Errorf("%s: served and not declared", label)
					continue
				}
				seen := map[string]bool{}
				for _, path := range c.paths(rt) {
					r := c.do(rt.method, path, c.bodyFor(rt))
					if r.status == http.StatusNoContent {
						continue
					}
					if r.status != http.StatusOK && r.status != http.StatusCreated {
						t.Errorf("%s %s: status = %d: %s", rt.method, path, r.status, r.body)
						continue
					}
					var v any
					if err := json.Unmarshal(r.body, &v); err != nil {
						t.Errorf("%s %s: %v", rt.method, path, err)
						continue
					}
					content, ok := sp.Paths[declared][strings.ToLower(rt.method)].Responses[strconv.Itoa(r.status)].Content["application/json"]
					if !ok {
						continue // the trimmed copy declares no schema
					}
					if content.Schema.Type == "array" && strings.Contains(rt.path, "ModelDeployment") {
						v = []any{v} // an object, as recorded (api.md §9)
					}
					if all, isList := v.([]any); isList && strings.HasSuffix(rt.path, "/centralConfigSettings") {
						v = all[0] // a list is to be expected (api.md §17)
					}
					sp.check(content.Schema, v, "", func(at, what string) {
						if strings.HasSuffix(at, ".deploymentType") { // required where it is not declared, and declared within configuration
							return
						}
						if strings.Contains(at, ".jobTemplate") || strings.Contains(at, ".retryCount") {
							return // meant to be unknown
						}
						if key := at + ": " + what; !seen[key] && deviations[name+" "+label] == "" {
							seen[key] = true
							t.Errorf("%s: %s", label, key)
						}
					})
				}
			}
		})
	}
}

// paths are the requests that show a route with everything it can be asked about.
func (c *client) paths(rt *route) []string {
	query := ""
	switch {
	case rt.path == "/v4/workspace/project/{projectId}/workspace" || strings.HasSuffix(rt.path, "/runningClassicWorkspaces"):
		query = "?offset=0&limit=100"
	case rt.path == "/api/modelServing/v1/modelApis", rt.path == "/api/modelServing/v1/modelDeployments":
		query = "?offset=0&limit=100"
	case rt.path == "/api/apps/beta/apps":
		query = "?limit=100"
	case rt.path == "/v4/hardwareTier":
		query = "?show_archived=true"
	case rt.method == "POST" && strings.HasPrefix(rt.path, "/v4") && strings.HasSuffix(rt.path, "/sessions"):
		query = "?externalVolumeMounts="
	case rt.path == "/v4/workspaces/workspace/{workspaceId}":
		var out []string
		for _, w := range c.sim.classics.order {
			out = append(out, "/v4/workspaces/workspace/"+w.id+"?projectId="+w.project.id)
		}
		return out
	case rt.path == "/v4/modelManager/getModels" || rt.path == "/v4/jobs":
		var out []string
		for _, p := range c.sim.projects {
			out = append(out, rt.path+"?projectId="+p.id)
		}
		return out
	}
	if !strings.Contains(rt.path, "{") {
		return []string{rt.path + query}
	}
	var out []string
	add := func(values ...string) { out = append(out, strings.NewReplacer(values...).Replace(rt.path)+query) }
	switch {
	case strings.Contains(rt.path, "{jobId}"):
		for _, j := range c.sim.jobs.order {
			add("{jobId}", j.id)
		}
	case strings.Contains(rt.path, "{environmentId}"):
		for _, e := range c.sim.environments {
			r := e.latest(c.sim.born)
			if !rt.writes || building(r.status.at(c.sim.born)) {
				add("{environmentId}", e.id, "{environmentRevisionId}", r.id)
			}
		}
	case strings.Contains(rt.path, "{modelProductId}"):
		for _, a := range c.sim.apps.order {
			state := c.sim.Ledger().State(KindApp, a.id)
			if strings.HasSuffix(rt.path, "start") && !over(state) || strings.HasSuffix(rt.path, "stop") && over(state) {
				continue
			}
			add("{modelProductId}", a.id)
		}
	case strings.Contains(rt.path, "{appInstanceId}"):
		for id := range c.sim.instances {
			add("{appInstanceId}", id)
		}
	case strings.Contains(rt.path, "{endpointId}"), strings.Contains(rt.path, "{modelDeploymentId}"):
		for _, v := range c.sim.serving.order {
			if strings.HasSuffix(rt.path, "/start") && !v.over(c.sim.born) || strings.HasSuffix(rt.path, "/stop") && v.over(c.sim.born) {
				continue
			}
			if v.endpoint != nil && strings.Contains(rt.path, "{endpointId}") {
				add("{endpointId}", v.endpoint.id, "{versionNumber}", strconv.Itoa(v.number))
			} else if v.endpoint == nil && strings.Contains(rt.path, "{modelDeploymentId}") {
				add("{modelDeploymentId}", v.id)
			}
		}
	case strings.Contains(rt.path, "{appId}"):
		for _, a := range c.sim.apps.order {
			if a.beta {
				add("{appId}", a.id)
			}
		}
	case strings.Contains(rt.path, "{modelVersionId}") || strings.Contains(rt.path, "{modelApiVersionId}") ||
		strings.Contains(rt.path, "{modelApiId}") || strings.Contains(rt.path, "{modelId}"):
		for _, v := range c.sim.versions.order {
			add("{modelId}", v.model.id, "{modelApiId}", v.model.id, "{modelVersionId}", v.id, "{modelApiVersionId}", v.id)
		}
	case strings.Contains(rt.path, "{workspaceId}"):
		for _, w := range c.sim.workspaces.order {
			e := w.latest(c.sim.born)
			active := e != nil && !over(c.sim.sessionWord(w))
			if strings.HasSuffix(rt.path, "/stop") && !active || rt.writes && strings.HasSuffix(rt.path, "/sessions") && (active || w.deleted) {
				continue
			}
			add("{projectId}", w.project.id, "{workspaceId}", w.id)
		}
	case strings.Contains(rt.path, "{workspaceSessionId}"):
		for id, e := range c.sim.sessions {
			add("{projectId}", e.project.id, "{workspaceSessionId}", id)
		}
	case strings.Contains(rt.path, "{executionId}"):
		for _, e := range c.sim.sessions {
			add("{executionId}", e.Execution)
		}
	case strings.Contains(rt.path, "{hardwareTierId}"):
		for _, t := range c.sim.tiers {
			add("{hardwareTierId}", t.id)
		}
	case strings.Contains(rt.path, "{environmentRevisionId}"):
		for _, e := range c.sim.environments {
			add("{environmentId}", e.id, "{environmentRevisionId}", e.revision)
		}
	case strings.Contains(rt.path, "{datamountId}"):
		for _, v := range c.sim.volumes {
			add("{datamountId}", v.id)
		}
	case strings.Contains(rt.path, "{scheduledJobKey}"):
		for _, d := range c.sim.schedules.order {
			add("{projectId}", d.project.id, "{scheduledJobKey}", url.PathEscape(d.id))
		}
	default:
		for _, p := range c.sim.projects {
			add("{projectId}", p.id)
		}
	}
	if len(out) == 0 {
		c.t.Errorf("%s %s: nothing to ask for", rt.method, rt.path)
	}
	return out
}

func (c *client) bodyFor(rt *route) any {
	switch {
	case strings.HasPrefix(rt.path, "/v4/workspace/stop/"):
		return obj{"workspaceId": c.sim.classics.order[0].id}
	case strings.HasPrefix(rt.path, "/v4/jobs/"):
		j := c.sim.jobs.order[0]
		return obj{"projectId": j.project.id, "jobId": j.id, "commitResults": true, "shouldUseOriginalInputCommit": true}
	case rt.path == "/v4/environments/rebuildrevision":
		return obj{"revisionId": c.sim.environments[3].revision}
	case strings.HasSuffix(rt.path, "/pvcs/names"):
		return obj{"pvcNames": []string{"nfs-landing-pvc", "nfs-retired-pvc"}}
	case rt.method == "PUT":
		return c.sim.Definition(c.sim.schedules.order[0].id)
	case strings.HasPrefix(rt.path, "/api/projects/"):
		return obj{"externalVolumeMounts": []string{}, "netAppVolumeMounts": []string{}}
	case strings.HasSuffix(rt.path, "/start"):
		return obj{"externalVolumeMountIds": []string{}}
	}
	return nil
}
