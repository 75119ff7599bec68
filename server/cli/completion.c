/* server/cli/completion.c: `leat completion SHELL`: what a shell completes, from the table of commands.
 *
 * The words of a command are those of its synopsis: what is in lower case, and its options. */
#include "server/cli/cli.h"
#include <stdio.h>

enum { WORDS_MAX = 1024 };

static bool completion_is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || c == '-';
}

/* "[list | run|pause NAME] [--json]" to "list run pause --json". */
static const char *completion_words(const char *synopsis, char words[WORDS_MAX])
{
	size_t len = 0;

	while (*synopsis && len + 2 < WORDS_MAX) {
		size_t n = 0;

		while (completion_is_word_char(synopsis[n]))
			n++;
		if (n > 1 && strncmp(synopsis, "-c", n) != 0 && len + n + 2 < WORDS_MAX) {
			if (len)
				words[len++] = ' ';
			memcpy(words + len, synopsis, n);
			len += n;
		}
		/* the rest of a word in upper case, "[-c FILE]" is for all commands */
		synopsis += n ? n : 1;
	}
	words[len] = '\0';
	return words;
}

static void completion_bash(void)
{
	char words[WORDS_MAX];

	printf("# bash completion for leat, made by `leat completion bash`\n"
	       "_leat() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= "
	       "words i\n"
	       "\tcase $prev in\n"
	       "\t-c | --config)\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	       "\t\treturn\n"
	       "\t\t;;\n"
	       "\t--admin) return ;;\n"
	       "\tesac\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n"
	       "\t\t-c | --config | --admin) ((i++)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*)\n"
	       "\t\t\tcommand=${COMP_WORDS[i]}\n"
	       "\t\t\tbreak\n"
	       "\t\t\t;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tcase $command in\n"
	       "\t'') words='");
	for (size_t i = 0; commands[i].help; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
	printf(" --help --version' ;;\n");
	for (size_t i = 0; commands[i].help; i++)
		printf("\t%s) words='%s' ;;\n", commands[i].name,
		       completion_words(commands[i].synopsis, words));
	printf("\tesac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words -c --admin\" -- \"$cur\")\n"
	       "}\n"
	       "complete -F _leat leat\n");
}

static void completion_zsh(void)
{
	char words[WORDS_MAX];

	printf("#compdef leat\n# zsh completion for leat, made by `leat completion zsh`\n"
	       "local -a commands=(\n");
	for (size_t i = 0; commands[i].help; i++)
		printf("\t'%s:%s'\n", commands[i].name, commands[i].help);
	printf(")\n"
	       "if [[ $words[CURRENT-1] == (-c|--config) ]]; then\n"
	       "\t_files\n"
	       "elif (( CURRENT == 2 )); then\n"
	       "\t_describe command commands\n"
	       "else\n"
	       "\tcase $words[2] in\n");
	for (size_t i = 0; commands[i].help; i++)
		printf("\t%s) compadd -- %s -c --admin ;;\n", commands[i].name,
		       completion_words(commands[i].synopsis, words));
	printf("\tesac\nfi\n");
}

static void completion_fish(void)
{
	char words[WORDS_MAX];

	printf("# fish completion for leat, made by `leat completion fish`\n"
	       "complete -c leat -f\n"
	       "complete -c leat -s c -l config -r -F -d 'the configuration'\n"
	       "complete -c leat -l admin -x -d 'where the daemon is reached'\n");
	for (size_t i = 0; commands[i].help; i++)
		printf("complete -c leat -n __fish_use_subcommand -a %s -d '%s'\n",
		       commands[i].name, commands[i].help);
	for (size_t i = 0; commands[i].help; i++)
		if (completion_words(commands[i].synopsis, words)[0])
			printf("complete -c leat -n '__fish_seen_subcommand_from %s' -a '%s'\n",
			       commands[i].name, words);
}

int cli_completion(const struct cli *cli)
{
	const char *shell = cli->n_args == 1 ? cli->args[0] : "";

	if (strcmp(shell, "bash") == 0)
		completion_bash();
	else if (strcmp(shell, "zsh") == 0)
		completion_zsh();
	else if (strcmp(shell, "fish") == 0)
		completion_fish();
	else
		return cli_usage("completion takes a shell: bash, zsh or fish");
	return EXIT_DONE;
}
