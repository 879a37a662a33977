#compdef peermesh
# Completes peermesh in zsh: peermesh completion zsh > "${fpath[1]}/_peermesh"

_peermesh() {
	local line kind=''
	local -a found
	for line in "${(@f)$("${(@Q)words[1,CURRENT-1]}" "--complete=${(Q)words[CURRENT]}" 2>/dev/null)}"; do
		[[ -n "$line" ]] || continue
		case "$line" in
			:files*) kind=files; continue ;;
			:dirs*) kind=dirs; continue ;;
		esac
		line="${line//:/\\:}"
		found+=("${line/$'\t'/:}")
	done
	if ((${#found})); then
		_describe 'peermesh' found
	fi
	if [[ -n "$kind" ]]; then
		compset -P '-*='
		if [[ "$kind" == dirs ]]; then _files -/; else _files; fi
	fi
}

if [[ "${funcstack[1]}" == _peermesh ]]; then
	_peermesh "$@"
else
	compdef _peermesh peermesh
fi
