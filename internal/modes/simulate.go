package modes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

const simulateLong = `Serves a simulated Domino until it is interrupted: the API over a model that moves, with
delays, lag and faults by plan. Point dmm at it to rehearse a maintenance.`

// Simulate serves a simulated Domino.
func Simulate(ctx context.Context, e *Env) (*report.Result, error) {
	res := e.result("simulate")
	cfg := dominosim.Config{Profile: e.Config.Profile}
	if path := e.Config.SimConfig; path != "" {
		fromFile, err := dominosim.LoadConfig(path)
		if err != nil {
			return nil, &UsageError{Reason: err.Error(), Next: "mend the file, or leave --config out for a small example"}
		}
		if fromFile.Profile == "" {
			fromFile.Profile = cfg.Profile
		}
		cfg = fromFile
	}
	sim := dominosim.New(cfg)
	server, url, err := serve(ctx, sim, e.Config.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &UsageError{Reason: err.Error(), Next: "dmm simulate --listen 127.0.0.1:0, for a free port"}
	}
	if err != nil {
		return nil, err
	}
	key := cfg.APIKey
	if key == "" && cfg.Token == "" {
		key = dominosim.DefaultAPIKey
	}
	fmt.Fprintf(e.Out, "A simulated Domino %s with %d running executions serves at %s until it is interrupted. To use it:\n\n", sim.Profile(), len(sim.Ledger().Snapshot()), url)
	fmt.Fprintf(e.Out, "  export DOMINO_HOSTNAME=%s\n", url)
	if key != "" {
		fmt.Fprintf(e.Out, "  export DOMINO_API_KEY=%s\n", key)
	} else {
		fmt.Fprintf(e.Out, "  export DOMINO_TOKEN=...   # the token of %s\n", e.Config.SimConfig)
	}
	fmt.Fprintf(e.Out, "  export DMM_STORE=file:///tmp/dmm-rehearsal\n\n")
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return nil, fmt.Errorf("stop serving: %w", err)
	}
	for _, f := range sim.UnfiredFaults() {
		res.Note(fmt.Sprintf("the planned fault %q (%s) never fired", f.Name, f.Kind))
	}
	ledger := sim.Ledger()
	res.Message = fmt.Sprintf("The simulator answered %s, of which %d could change something; %s run.",
		plural(len(ledger.Requests()), "request"), len(ledger.Writes()), plural(len(ledger.Snapshot()), "execution"))
	return res, nil
}

// serve starts a simulator on an address and returns its URL.
func serve(ctx context.Context, sim *dominosim.Sim, address string) (*http.Server, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("serve the simulator: %w", err)
	}
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	crash.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("serve the simulator: %v", err)) // the listener is ours and was open
		}
	})
	return server, "http://" + l.Addr().String(), nil
}
