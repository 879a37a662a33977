# Completes peermesh in bash: source <(peermesh completion bash)

_peermesh() {
	local line="${COMP_LINE:0:COMP_POINT}" word last i n=-1
	local -a typed=()
	# bash splits words at ":" and "=", which URLs and flags hold: what no blank stands
	# between is one word. Quotes around a word stay in COMP_WORDS.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word="${COMP_WORDS[i]}"
		if ((n < 0)) || [[ $line == [[:blank:]]* ]]; then
			((n++))
			typed[n]=''
			line="${line#"${line%%[![:blank:]]*}"}"
		fi
		[[ $line == "$word"* ]] || word="$line" # the cursor is in it
		typed[n]+="$word"
		line="${line:${#word}}"
	done
	for ((i = 0; i <= n; i++)); do
		typed[i]="${typed[i]//[\'\"\\]/}"
	done
	last="${typed[n]}"
	unset "typed[n]"
	COMPREPLY=()
	while IFS='' read -r line; do
		word="${line%%$'\t'*}"
		case "$word" in
		:files) compopt -o default 2>/dev/null || COMPREPLY+=($(compgen -f -- "${last#*=}")) ;;
		:dirs) compopt -o dirnames 2>/dev/null || COMPREPLY+=($(compgen -d -- "${last#*=}")) ;;
		--*=*) COMPREPLY+=("${word#*=}") ;; # bash completes what is behind "=" alone
		*) COMPREPLY+=("$word") ;;
		esac
	done < <("${typed[0]/#\~/$HOME}" "${typed[@]:1}" "--complete=$last" 2>/dev/null)
}

complete -F _peermesh peermesh
