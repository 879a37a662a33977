# Completes peermesh in bash: source <(peermesh completion bash)

_peermesh() {
	local line last='' typed
	line="${COMP_LINE:0:COMP_POINT}"
	read -ra typed <<<"$line" # bash's own words are split at ":" and "=", which URLs hold
	if [[ $line != *[[:blank:]] ]]; then
		last="${typed[${#typed[@]} - 1]}"
		unset "typed[${#typed[@]}-1]"
	fi
	COMPREPLY=()
	while IFS='' read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("${typed[0]/#\~/$HOME}" "${typed[@]:1}" "--complete=$last" 2>/dev/null)
}

complete -o default -F _peermesh peermesh
