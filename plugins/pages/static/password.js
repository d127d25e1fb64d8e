/** Takes the one-time code out of the link, where no server and no log sees it, and puts it into the form. */

const code = location.hash.slice(1)
if (code) {
  document.querySelector('input[name="token"]').value = code
  history.replaceState(undefined, '', location.pathname)
  document.querySelector('input[name="password"]').focus()
}
