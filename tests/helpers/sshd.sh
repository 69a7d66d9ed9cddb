# Sourced by the machines of tests: an sshd that lets in one throw-away key, and whose logins live in a throw-away home.

# serve_ssh FOLDER ADDRESS: becomes the sshd; keys, settings and the home folder are those of FOLDER.
serve_ssh() {
    local folder=$1 address=$2 key
    [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
    for key in login host; do
        [ -f "$folder/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$folder/$key"
    done
    cat > "$folder/sshd_config" <<CONFIG
ListenAddress $address
Port 22
HostKey $folder/host
PidFile $folder/sshd.pid
AuthorizedKeysFile $folder/login.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME=$folder/home
CONFIG
    exec "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$folder/sshd_config"
}
