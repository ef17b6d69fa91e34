package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
)

// errConfig is the error of a configuration that no server would start with.
var errConfig = errors.New("the configuration is wrong")

// setting is one setting as config print tells it in JSON.
type setting struct {
	Name     string `json:"name"` // in YAML
	Flag     string `json:"flag"`
	Variable string `json:"variable"`
	Value    string `json:"value"`   // empty: that which the default says
	Default  string `json:"default"` // in words, if it is no value
	From     source `json:"from"`
}

// source says what gave a setting its value.
type source string

// The sources, the first of which that names a setting wins.
const (
	fromFlag     source = "flag"
	fromVariable source = "variable"
	fromFile     source = "file"
	fromDefault  source = "default"
)

// configCommand is about the configuration of server. Its verbs take the flags of server, and so its variables.
func (p *program) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "print or check the configuration that a server would have",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return usage(c, errors.New("config wants print or check"))
		},
	}
	c.AddCommand(p.configPrintCommand(), p.configCheckCommand())
	return c
}

// shows is which settings config print tells.
type shows int

const (
	showAll      shows = iota // as a server would have them
	showDefaults              // as they are if nobody says anything
	showChanged               // those that somebody says
)

func (p *program) configPrintCommand() *cobra.Command {
	s := defaultSettings()
	var file string
	var defaults, diff bool
	c := &cobra.Command{
		Use:   "print",
		Short: "print the settings of a server that is given these flags, this environment and --config",
		Long: "Prints the settings as YAML that --config takes; -o table and json tell where each comes from too. Nothing is asked of\n" +
			"a node: it is what a server would have if it were started like this. Passwords and tokens are shown as xxxxx.",
		Args: arguments(0, 0),
	}
	flags := c.Flags()
	s.bind(flags, &file)
	flags.BoolVar(&defaults, "defaults", false, "print the defaults, whatever is set")
	flags.BoolVar(&diff, "diff", false, "print only what is not left to its default")
	c.RunE = func(c *cobra.Command, _ []string) error {
		what := showAll
		switch {
		case defaults && diff:
			return usage(c, errors.New("--defaults and --diff exclude each other"))
		case defaults:
			what, s = showDefaults, defaultSettings()
			return p.printConfig(s, s.flags(), what)
		case diff:
			what = showChanged
		}
		if err := s.complete(flags, file); err != nil {
			return usage(c, err)
		}
		return p.printConfig(s, flags, what)
	}
	return c
}

func (p *program) printConfig(s *settings, flags *pflag.FlagSet, what shows) error {
	all, err := s.list(flags)
	if err != nil {
		return err
	}
	if what == showChanged {
		all = slices.DeleteFunc(all, func(one setting) bool { return one.From == fromDefault })
	}
	switch f := p.format(asRaw); f {
	case asJSON:
		return p.json(f, all)
	case asLines:
		return lines(p, all)
	case asTable:
		rows := [][]string{{"SETTING", "VALUE", "FROM"}}
		for _, one := range all {
			rows = append(rows, []string{one.Name, orDefault(one), string(one.From)})
		}
		return p.table(rows)
	}
	text, err := s.yaml(all)
	if err == nil {
		_, err = p.out.Write(text)
	}
	return err
}

// orDefault is the value of a setting, or what stands for none.
func orDefault(s setting) string {
	if s.Value == "" {
		return s.Default
	}
	return s.Value
}

// checked is what config check prints as JSON.
type checked struct {
	File     string   `json:"file"`
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
}

func (p *program) configCheckCommand() *cobra.Command {
	s := defaultSettings()
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "say what is wrong with a file of settings; exit code 7 if something is",
		Long: "Reads the file as a server does that is given these flags and this environment, and starts nothing. Names that do not\n" +
			"exist, values that make no sense and addresses that are open by accident are told.",
		Args: arguments(1, 1),
	}
	flags := c.Flags()
	flags.AddFlagSet(s.flags())
	c.RunE = func(_ *cobra.Command, args []string) error {
		err := s.complete(flags, args[0])
		report := checked{File: args[0], OK: err == nil, Problems: problems(err)}
		for i, one := range report.Problems {
			report.Problems[i] = strings.TrimPrefix(one, args[0]+": ") // it is told once
		}
		if shown := p.showChecked(report); shown != nil {
			return shown
		}
		if err != nil {
			return fmt.Errorf("%w: %s", errConfig, args[0])
		}
		return nil
	}
	return c
}

func (p *program) showChecked(c checked) error {
	switch f := p.format(asTable); f {
	case asJSON, asLines:
		return p.json(f, c)
	case asTable:
		if c.OK {
			c.Problems = []string{"a server would start with it"}
		}
	}
	for _, one := range c.Problems {
		if _, err := fmt.Fprintf(p.out, "%s: %s\n", c.File, one); err != nil {
			return err
		}
	}
	return nil
}

// problems are the errors that were joined, a line each.
func problems(err error) []string {
	all := []string{}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, problems(one)...)
		}
		return all
	}
	if err != nil {
		all = append(all, strings.Join(strings.Fields(stores.Redact(err.Error())), " "))
	}
	return all
}

// list is the settings in the order of their fields.
func (s *settings) list(flags *pflag.FlagSet) ([]setting, error) {
	tree, err := s.tree()
	if err != nil {
		return nil, err
	}
	all := []setting{}
	usages := defaultSettings().flags()
	for leaf := range leavesOf(tree, "") {
		f, ours := flags.Lookup(flagOf(leaf.name)), usages.Lookup(flagOf(leaf.name))
		if f == nil || ours == nil {
			return nil, fmt.Errorf("the setting %s has no flag", leaf.name)
		}
		one := setting{
			Name: leaf.name, Flag: "--" + f.Name, Variable: envName(f.Name),
			Value: stores.Redact(f.Value.String()), Default: defaultOf(ours), From: fromDefault,
		}
		switch {
		case f.Annotations[fromEnvironment] != nil:
			one.From = fromVariable
		case f.Changed:
			one.From = fromFlag
		case f.Value.String() != ours.DefValue:
			one.From = fromFile
		}
		all = append(all, one)
	}
	return all, nil
}

// defaultOf is the default of a flag, in the words of its usage if it is no value.
func defaultOf(f *pflag.Flag) string {
	if f.DefValue != "" {
		return f.DefValue
	}
	_, words, _ := strings.Cut(f.Usage, " (default: ")
	return strings.TrimSuffix(words, ")")
}

// flagOf is the flag of a setting: its own name with - for _; that of a list, which is repeated, is singular.
func flagOf(name string) string {
	switch name {
	case "seeds":
		return "seed"
	case "routes":
		return "route"
	}
	return strings.ReplaceAll(name[strings.LastIndex(name, ".")+1:], "_", "-")
}

// tree is the settings as a document.
func (s *settings) tree() (*yaml.Node, error) {
	var document yaml.Node
	text, err := yaml.Marshal(s)
	if err == nil {
		err = yaml.Unmarshal(text, &document)
	}
	if err != nil {
		return nil, err
	}
	return document.Content[0], nil
}

// yaml is the settings of the list as a file for --config.
func (s *settings) yaml(keep []setting) ([]byte, error) {
	tree, err := s.tree()
	if err != nil {
		return nil, err
	}
	kept := make(map[string]setting)
	for _, one := range keep {
		kept[one.Name] = one
	}
	for leaf := range leavesOf(tree, "") {
		if one := kept[leaf.name]; one.Value == "" && one.Default != leaf.value.Value {
			leaf.value.LineComment = "default: " + one.Default
		}
		redact(leaf.value)
	}
	prune(tree, "", kept)
	if len(tree.Content) == 0 {
		return nil, nil
	}
	return yaml.Marshal(tree)
}
