// Command dmm puts a Domino deployment into maintenance and brings it back.
//
// Arguments and environment go in, one mode runs, an exit code comes out. Standard
// output carries the mode's result and nothing else; logs and progress go to standard
// error.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	_ "golang.org/x/crypto/x509roots/fallback" // for images without certificates: what the system has wins
	"golang.org/x/term"

	"github.com/domino-maintenance-mode/dmm/cmd/dmm/process"
	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// version is set by the build.
var version = "dev"

func init() {
	cobra.EnableCommandSorting = false // modes in the order in which people meet them; it is cobra's, for all commands
}

// softMemory is what the heap is kept to by collecting more often, not a limit: what runs on a large deployment takes some 25 MiB for
// 20,000 executions, and the rest of the peak is garbage. GOMEMLIMIT says otherwise.
const softMemory = 80 << 20 // bytes

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	crash.Tell(func(e *crash.Error) {
		cancel(e)
		time.Sleep(toRecord) // in a goroutine that has nothing else to do any more
		explain(os.Stderr, e)
		os.Exit(exitFailed)
	})
	crash.Go(func() {
		<-process.Signals
		cancel(modes.ErrInterrupted)
		for s := range process.Signals {
			if s != syscall.SIGHUP { // a terminal that goes may say so more than once, and insists on nothing
				os.Exit(exitInterrupted) // told twice: at once, everything that matters is on record
			}
		}
	})
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// toRecord is how long a run may go on once a goroutine has panicked that nobody waits for. It puts its end on
// record, unless what it waits for is that goroutine.
const toRecord = time.Minute

// run is main without the process: tests call it.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (code int) {
	err := crash.Catch(func() error {
		code = runCommand(ctx, args, environ, &outlet{Writer: stdout}, stderr)
		return nil
	})
	if err != nil {
		explain(stderr, err)
		fmt.Fprintf(stderr, "dmm: %v\n", err)
		terminationMessage(err.Error())
		return exitFailed
	}
	return code
}

// explain writes where a panic comes from, if an error is one.
func explain(stderr io.Writer, err error) {
	var crashed *crash.Error
	if errors.As(err, &crashed) {
		fmt.Fprintf(stderr, "%s\n", crashed.Stack)
	}
}

// outlet is standard output or error. Nobody may read it any more, as with dmm | head, which is no reason to end a
// maintenance, nor for another exit code: what is written to it then is dropped.
type outlet struct {
	io.Writer
	unread func() // called then, unless nil
}

func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		if o.unread != nil {
			o.unread()
		}
		return len(p), nil
	}
	return n, err
}

func runCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	code := exitDone // help, and whatever else runs no mode
	root := command(ctx, environ, stdout, stderr, &code)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "dmm: %v\ndmm: Next: dmm help\n", err)
		if wantsJSON(args, environ) {
			mode, _, _ := root.Find(args)
			return refuse(stdout, stderr, mode.Name(), err, "dmm help")
		}
		return exitUsage
	}
	return code
}

// command builds the command line from the modes and the settings.
func command(ctx context.Context, environ []string, stdout, stderr io.Writer, code *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "dmm",
		Short: "Puts a Domino deployment into maintenance and brings it back",
		Long: `dmm records what runs in a Domino deployment, stops it for a maintenance, and
afterwards starts again exactly what it stopped.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		Annotations:   map[string]string{},
	}
	root.Version = version
	root.SetVersionTemplate("dmm {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			if near := config.NearestFlag("--" + unknown.GetSpecifiedName()); near != "" {
				return fmt.Errorf("%w; did you mean %s? dmm flags lists all", err, near)
			}
			return fmt.Errorf("%w; dmm flags lists all", err)
		}
		return err
	})
	root.SetHelpCommand(&cobra.Command{Use: "help [MODE]", Short: "say more about a mode", DisableFlagsInUseLine: true, RunE: func(cmd *cobra.Command, args []string) error {
		about, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return unknownMode(root, args[0])
		}
		about.InitDefaultHelpFlag()
		return about.Help()
	}})
	root.SetOut(stdout)
	root.SetErr(stderr)
	config.AddFlags(root.PersistentFlags())
	execute := func(cmd *cobra.Command, name string) {
		*code = runMode(ctx, name, environ, cmd, stdout, stderr)
	}
	for _, m := range modes.All() {
		c := &cobra.Command{
			Use: m.Name, Short: m.Short, Long: m.Long, Args: noArgument, DisableFlagsInUseLine: true,
			Run: func(cmd *cobra.Command, _ []string) { execute(cmd, m.Name) },
		}
		if m.Needs.Argument != "" {
			c.Use += " [" + m.Needs.ArgumentName() + "]"
			c.Args = argument(m.Needs)
		}
		root.AddCommand(c)
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownMode(cmd, args[0])
		}
		execute(cmd, "")
		return nil
	}
	// The help of each mode names the settings once, in the reference, not forty flags each time.
	root.SetHelpTemplate(`{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}Usage: {{if .HasAvailableSubCommands}}dmm MODE [flags]

` + modeList() + `
"dmm help MODE" says more, and "dmm flags" lists the flags. Each flag is an
environment variable too: --store is DMM_STORE, and DMM_MODE names the mode.
docs/reference.md has all settings and exit codes.
{{else}}{{.UseLine}} [flags]

"dmm flags" lists the flags.
{{end}}`)
	root.AddCommand(&cobra.Command{Use: "flags", Short: "list all flags", Hidden: true, DisableFlagsInUseLine: true, Run: func(cmd *cobra.Command, _ []string) {
		fmt.Fprint(stdout, cmd.InheritedFlags().FlagUsages())
	}})
	return root
}

// The modes as help shows them: those of a maintenance in their order, the others by what they are for.
var (
	maintenance = []string{"audit", "snapshot", "shutdown", "status", "restore", "report", "close"}
	otherModes  = []modeGroup{
		{"Records", []string{"list", "show", "verify", "prune", "import", "export"}},
		{"Checks", []string{"check", "check-store"}},
		{"To try out", []string{"demo", "simulate", "rehearse"}},
	}
)

type modeGroup struct {
	heading string
	modes   []string
}

// modeList fits a screen together with what stands around it. A mode that is in no group comes last.
func modeList() string {
	short := map[string]string{}
	rest := modeGroup{heading: "Others"}
	for _, m := range modes.All() {
		short[m.Name] = m.Short
		if !slices.Contains(maintenance, m.Name) && !slices.ContainsFunc(otherModes, func(g modeGroup) bool { return slices.Contains(g.modes, m.Name) }) {
			rest.modes = append(rest.modes, m.Name)
		}
	}
	var b strings.Builder
	b.WriteString("A maintenance, in this order:\n")
	for _, name := range maintenance {
		if short[name] != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", name, short[name])
		}
	}
	b.WriteString("\n")
	for _, g := range append(slices.Clone(otherModes), rest) {
		var names []string
		for _, name := range g.modes {
			if short[name] != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(&b, "%-12s %s\n", g.heading+":", strings.Join(names, ", "))
		}
	}
	return b.String()
}

// argument takes a mode's one argument for the flag that it stands for.
func argument(n config.Needs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		f := cmd.Flags().Lookup(n.ArgumentFlag())
		if len(args) > 1 || f.Changed && f.Value.String() != args[0] {
			given := args
			if f.Changed {
				given = append(given, "--"+f.Name+" "+f.Value.String())
			}
			return fmt.Errorf("dmm %s takes one %s: it was given %q", cmd.Name(), n.ArgumentName(), given)
		}
		return cmd.Flags().Set(f.Name, args[0])
	}
}

func noArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("dmm %s takes no argument: it was given %q", cmd.Name(), args)
	}
	return nil
}

func unknownMode(root *cobra.Command, name string) error {
	var names []string
	for _, m := range modes.All() {
		names = append(names, m.Name)
	}
	hint := "the modes are " + strings.Join(names, ", ")
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown mode %q: %s", name, hint)
}

// runMode checks the settings, runs one mode, and writes what it has to say.
func runMode(ctx context.Context, name string, environ []string, cmd *cobra.Command, stdout, stderr io.Writer) int {
	cfg, warnings, err := config.Load(environ, cmd.Flags())
	var faults []error
	faults = append(faults, err)
	var mode *modes.Mode
	if name == "" && cfg != nil {
		name = cfg.Mode
	}
	for _, m := range modes.All() {
		if m.Name == name {
			mode = &m
		}
	}
	switch {
	case mode != nil:
		if cfg != nil {
			faults = append(faults, cfg.Validate(mode.Needs))
		}
	case name == "":
		if cfg.Output != "json" { // that goes to standard output too
			_ = cmd.Root().Help()
		}
		faults = append(faults, errors.New("no mode: name one as argument or in DMM_MODE"))
	default:
		faults = append(faults, fmt.Errorf("DMM_MODE: %w", unknownMode(cmd.Root(), name)))
	}
	if err := errors.Join(faults...); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(stderr, "dmm: %s\n", line)
		}
		for _, w := range warnings { // a mistyped name is the likeliest reason for a setting that is missing
			fmt.Fprintf(stderr, "dmm: %s\n", w)
		}
		next := "dmm help"
		if mode != nil {
			// Without its flags the command may mean more than was asked for: a dry run would be one no more.
			next = "mend that, then the same command again; dmm flags and docs/reference.md have every setting"
		}
		fmt.Fprintf(stderr, "dmm: Next: %s\n", next)
		terminationMessage(err.Error())
		if cfg.Output == "json" {
			return refuse(stdout, stderr, name, err, next)
		}
		return exitUsage
	}
	env := &modes.Env{Config: cfg, Out: stdout, Version: version, ExitCode: exitCode}
	if cfg.Output == "json" {
		env.Out = stderr // standard output is for the one object
	}
	f, onTerminal := terminal(stderr)
	if onTerminal && cfg.LogFormat != "json" && lookup(environ, "TERM") != "dumb" {
		env.Bars = modes.NewBars(f, func() int { width, _, _ := term.GetSize(int(f.Fd())); return width })
		defer env.Bars.Close()
		stderr = env.Bars
	}
	if cfg.Watch {
		var unread context.CancelFunc
		ctx, unread = context.WithCancel(ctx)
		defer unread()
		stderr = &outlet{stderr, unread} // a watch is for whoever reads it
	}
	env.Log = logger(cfg, stderr, onTerminal)
	for _, w := range warnings {
		env.Log.Warn(w.String())
	}
	began := time.Now()
	var res *modes.Result
	if crashed := crash.Catch(func() error { res, err = mode.Run(ctx, env); return nil }); crashed != nil {
		err = crashed
	} else if cause := context.Cause(ctx); err == nil && errors.As(cause, new(*crash.Error)) {
		err = cause // it was done before it could hear of that
	}
	if env.Bars != nil {
		env.Bars.Close()
	}
	explain(stderr, err)
	res = conclude(mode.Name, res, err)
	res.Next = carry(res, mode, cmd.Flags())
	res.Took = time.Since(began).Round(time.Millisecond)
	if err == nil && res.Document != nil {
		_, err = stdout.Write(res.Document)
		if !bytes.HasSuffix(res.Document, []byte(res.LastLine()+"\n")) {
			fmt.Fprintf(stderr, "dmm %s: %s\n", mode.Name, res.LastLine())
		}
	} else if cfg.Output == "json" {
		res.Message = strings.ReplaceAll(res.Message, "\n", "; ")
		err = res.WriteJSON(stdout)
	} else if err == nil || len(res.Kinds)+len(res.Executions) > 0 {
		err = res.WriteText(stdout)
	} else {
		for _, line := range faultLines(res) {
			fmt.Fprintf(stderr, "dmm %s: %s\n", mode.Name, line)
		}
		err = nil
	}
	if err != nil {
		fmt.Fprintf(stderr, "dmm %s: write the result: %v\n", mode.Name, err)
		return max(res.Code, exitFailed)
	}
	terminationMessage(res.LastLine())
	return res.Code
}

// logger writes to standard error: text on a terminal, JSON elsewhere.
func logger(cfg *config.Config, stderr io.Writer, onTerminal bool) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // config lets only known levels pass
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && onTerminal {
		return slog.New(slog.NewTextHandler(stderr, options))
	}
	return slog.New(slog.NewJSONHandler(stderr, options))
}

// terminationMessage leaves the last line where "kubectl describe pod" shows it.
func terminationMessage(line string) {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return
	}
	// Best effort: the file is there only if the pod mounts it, and the line is in the log as well.
	if f, err := os.OpenFile("/dev/termination-log", os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		_, _ = f.WriteString(line + "\n")
		_ = f.Close()
	}
}

// terminal returns the terminal that a writer is.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// lookup finds a variable in an environment.
func lookup(environ []string, name string) string {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
