/** Opens the page again, from this site: now the browser sends the cookie if it has one. */

location.replace(location.href);
