"""The site's side: one file says what a shared conda has; the commands of `ucenv site` make it so."""
