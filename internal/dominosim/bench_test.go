package dominosim

import (
	"fmt"
	"net/http"
	"testing"
)

// BenchmarkExecutions lists twenty thousand executions in pages, as a client would.
func BenchmarkExecutions(b *testing.B) {
	const n = 20000
	sim := New(Config{Plain: true, Projects: 500, Workspaces: n})
	for b.Loop() {
		for offset := 0; offset < n; offset += 50 {
			for _, path := range []string{"/v4/admin/executions?pageSize=50", "/v4/workspace/adminDashboardRowData?limit=50&sortBy=name"} {
				r, _ := http.NewRequest("GET", fmt.Sprintf("https://d%s&offset=%d", path, offset), nil)
				r.Header.Set("X-Domino-Api-Key", DefaultAPIKey)
				if _, err := sim.RoundTripper().RoundTrip(r); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// BenchmarkApps reads and stops a thousand apps.
func BenchmarkApps(b *testing.B) {
	for b.Loop() {
		sim := New(Config{Plain: true, Apps: 1000})
		call := func(method, path string) {
			r, _ := http.NewRequest(method, "https://d"+path, nil)
			r.Header.Set("X-Domino-Api-Key", DefaultAPIKey)
			if _, err := sim.RoundTripper().RoundTrip(r); err != nil {
				b.Fatal(err)
			}
		}
		for _, o := range sim.Objects(KindApp) {
			call("POST", "/v4/modelProducts/"+o.ID+"/stop")
			call("GET", "/v4/modelProducts/"+o.ID)
		}
		call("GET", "/v4/modelProducts")
	}
}
