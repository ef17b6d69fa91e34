package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completionCommand is in place of cobra's own, whose words are not ours.
func (p *program) completionCommand(root *cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "print the script that completes the verbs and flags in a shell",
		Long:      "Prints a script. In bash:\n\n  source <(starling completion bash)",
		Args:      arguments(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(p.out, true)
		case "zsh":
			return root.GenZshCompletion(p.out)
		case "fish":
			return root.GenFishCompletion(p.out, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(p.out)
		}
		return usage(c, fmt.Errorf("there is no completion for %q", args[0]))
	}
	return c
}
