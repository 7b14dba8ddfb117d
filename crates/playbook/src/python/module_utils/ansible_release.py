# The version of ansible-core whose behaviour this is.
__version__ = '2.19.14'
__author__ = 'Ansible, Inc.'
__codename__ = 'What Is and What Should Never Be'
