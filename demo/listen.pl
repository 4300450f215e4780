# Starts nginx on a port that is certainly its own:
#
#   perl listen.pl PORT TEMPLATE DIRECTORY COMMAND...
#
# A port that somebody found free may be taken when nginx binds it. Here the socket is bound first
# (PORT 0 lets the kernel choose), the configuration is made from the TEMPLATE with the port it got,
# and nginx is started with the open socket, as it does itself when it replaces its own binary: the
# variable NGINX lists inherited descriptors. The port is printed; from then on connections are
# accepted.
use strict;
use warnings;
use Socket;

my ($port, $template, $directory, @command) = @ARGV;
$^F = 255;    # descriptors up to this one stay open across exec

socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1) or die "SO_REUSEADDR: $!\n";
bind($listener, sockaddr_in($port, INADDR_LOOPBACK)) or die "port $port of 127.0.0.1: $!\n";
listen($listener, 511) or die "listen: $!\n";
($port) = sockaddr_in(getsockname($listener));

open(my $in, '<', $template) or die "$template: $!\n";
my $text = do { local $/; <$in> };
close $in;
$text =~ s/\@PORT\@/$port/g;
open(my $out, '>', "$directory/nginx.conf") or die "$directory/nginx.conf: $!\n";
print $out $text;
close $out or die "$directory/nginx.conf: $!\n";

$| = 1;
print "$port\n";
$ENV{NGINX} = fileno($listener) . ';';
exec @command or die "$command[0]: $!\n";
